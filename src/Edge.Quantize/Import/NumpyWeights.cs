using System.IO.Compression;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Training.Reference;

namespace Edge.Quantize.Import;

/// <summary>
/// The LSTM of the textbooks in a NumPy .npz: <c>W_f b_f W_i b_i W_C b_C W_o b_o</c>, each acting on [h, x], and for the outputs
/// <c>W_y b_y</c> where they are there. W is [H, H + I], or [H + I, H] where x multiplies from the left.
/// </summary>
internal static class NumpyWeights
{
    private const int ArraysMax = 64;

    private static readonly string[] Gates = ["i", "f", "C", "o"];

    /// <exception cref="InputException">The file is damaged or not such an LSTM.</exception>
    internal static FloatModel Import(byte[] bytes)
    {
        Dictionary<string, NumpyArray> arrays = ReadArrays(bytes);
        int units = Take(arrays, "b_f").Values.Length;
        int inputs = Take(arrays, "W_f").Values.Length / Math.Max(units, 1) - units;
        if (units is < 1 or > 4096 || inputs is < 1 or > 4096)
        {
            throw new InputException(
                $"W_f is {Take(arrays, "W_f").ShapeText} and b_f has {units} values; W_f must be [H, H + I] and b_f must have H values.");
        }

        var inputWeight = new float[4 * units * inputs];
        var recurrentWeight = new float[4 * units * units];
        var bias = new float[4 * units];
        for (int gate = 0; gate < 4; gate++)
        {
            NumpyArray w = Take(arrays, $"W_{Gates[gate]}", "W_c", gate == 2);
            NumpyArray b = Take(arrays, $"b_{Gates[gate]}", "b_c", gate == 2);
            bool isTransposed = w.Shape.SequenceEqual([units + inputs, units]);
            if (b.Values.Length != units || (!isTransposed && !w.Shape.SequenceEqual([units, units + inputs])))
            {
                throw new InputException(
                    $"W_{Gates[gate]} is {w.ShapeText} and b_{Gates[gate]} has {b.Values.Length} values; "
                        + $"they must be [{units}, {units + inputs}] and {units}, as W_f and b_f.");
            }

            for (int u = 0; u < units; u++)
            {
                int row = (gate * units) + u;
                bias[row] = b.Values[u];
                for (int j = 0; j < units + inputs; j++)
                {
                    float value = w.Values[isTransposed ? (j * units) + u : (u * (units + inputs)) + j];
                    if (j < units)
                    {
                        recurrentWeight[(row * units) + j] = value;
                    }
                    else
                    {
                        inputWeight[(row * inputs) + j - units] = value;
                    }
                }
            }
        }

        string sha256 = Sha256.Hex(bytes);
        return new FloatModel(
            null,
            null,
            [new FloatLstm(inputs, units, inputWeight, recurrentWeight, bias)],
            ReadHead(arrays, units),
            sha256);
    }

    private static FloatDense? ReadHead(Dictionary<string, NumpyArray> arrays, int units)
    {
        if (!arrays.TryGetValue("W_y", out NumpyArray? w))
        {
            return null;
        }

        int outputs = w.Values.Length / units;
        bool isTransposed = w.Shape.SequenceEqual([units, outputs]) && outputs != units;
        float[] bias = arrays.TryGetValue("b_y", out NumpyArray? b) ? b.Values : new float[outputs];
        if (outputs is < 1 or > 4096 || bias.Length != outputs || (!isTransposed && !w.Shape.SequenceEqual([outputs, units])))
        {
            throw new InputException(
                $"W_y is {w.ShapeText} and b_y has {bias.Length} values; they must be [outputs, {units}] and one value per output.");
        }

        float[] rows = isTransposed
            ? Enumerable.Range(0, w.Values.Length).Select(at => w.Values[(at % units * outputs) + (at / units)]).ToArray()
            : w.Values;
        return new FloatDense(units, outputs, rows, bias, FloatActivation.Linear);
    }

    private static NumpyArray Take(Dictionary<string, NumpyArray> arrays, string name, string? also = null, bool isEither = false) =>
        arrays.TryGetValue(name, out NumpyArray? array) || (isEither && arrays.TryGetValue(also!, out array))
            ? array
            : throw new InputException(
                $"The file has no array '{name}'; an LSTM needs W_f b_f W_i b_i W_C b_C W_o b_o, and this file has "
                    + $"{(arrays.Count == 0 ? "none" : string.Join(" ", arrays.Keys.Order()))}.");

    private static Dictionary<string, NumpyArray> ReadArrays(byte[] bytes)
    {
        var arrays = new Dictionary<string, NumpyArray>(StringComparer.Ordinal);
        long room = FloatModels.FileMaxBytes;
        try
        {
            using var archive = new ZipArchive(new MemoryStream(bytes, writable: false), ZipArchiveMode.Read);
            if (archive.Entries.Count > ArraysMax)
            {
                throw new InputException(
                    $"The archive has {archive.Entries.Count} entries; {ArraysMax} is the limit. It is not a model's .npz.");
            }

            foreach (ZipArchiveEntry entry in archive.Entries.Where(entry => entry.FullName.EndsWith(".npy", StringComparison.Ordinal)))
            {
                // What an entry claims to unpack to is checked against what it does unpack to.
                using Stream stream = entry.Open();
                using var unpacked = new MemoryStream();
                byte[] buffer = new byte[81920];
                for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
                {
                    room -= read;
                    if (room < 0)
                    {
                        throw new InputException(
                            $"The archive unpacks to more than {FloatModels.FileMaxBytes} bytes. It is not a model's .npz.");
                    }

                    unpacked.Write(buffer, 0, read);
                }

                string name = entry.FullName[..^4];
                arrays[name] = NumpyArray.Parse(name, unpacked.ToArray());
            }
        }
        catch (Exception e) when (e is InvalidDataException or IOException or NotSupportedException)
        {
            throw new InputException("This is not a whole .npz file: the archive is damaged or incomplete. Save or copy it again.", e);
        }

        return arrays;
    }
}
