using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Edge.Inference;

namespace Edge.Quantize.Learning;

/// <summary>The best weights of a net and how it did.</summary>
/// <param name="Number">Place of its candidate among all.</param>
/// <param name="Score">As <see cref="ForecastNet.Score"/>.</param>
/// <param name="Share">As <see cref="ForecastNet.Share"/>.</param>
/// <param name="Weights">Of each parameter, in the order of the network.</param>
internal sealed record TrainedNet(int Number, double Score, float[] Share, float[][] Weights);

/// <summary>A candidate that was trained to its end.</summary>
/// <param name="Number">Its place among all.</param>
/// <param name="Score">As that of <see cref="Learned"/>.</param>
/// <param name="Losses">As those of <see cref="Learned"/>.</param>
internal sealed record EndedCandidate(int Number, double Score, IReadOnlyList<EpochLoss> Losses);

/// <summary>What training has done so far, in a file: training that was cut off continues from it.</summary>
/// <param name="Spent">Time that it has taken.</param>
/// <param name="Ended">The candidates that were trained to their end.</param>
/// <param name="Best">The best of them.</param>
internal sealed record TrainingCheckpoint(TimeSpan Spent, IReadOnlyList<EndedCandidate> Ended, TrainedNet Best)
{
    private const int MaxBytes = 256 << 20;

    private static ReadOnlySpan<byte> Magic => "edgetrain1"u8;

    /// <summary>Tells trainings apart: one continues only with the same rows, options and program.</summary>
    internal static byte[] KeyOf(TrainingRows rows, LearnerOptions options)
    {
        string said = string.Create(
            CultureInfo.InvariantCulture,
            $"{Assembly.GetExecutingAssembly().ManifestModule.ModuleVersionId} {rows.Width} {rows.Period.Ticks} "
                + $"{string.Join(',', rows.Calendar)} {string.Join(',', options.Horizons)} {string.Join('\n', options.Targets)} "
                + $"{options.Lags} {options.Cell} {options.Units} {options.Layers} {options.Dropout} {options.Epochs} {options.Seed}");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(said));
        hash.AppendData(MemoryMarshal.AsBytes(rows.Values.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(rows.IsFault.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(rows.Ticks.AsSpan()));
        return hash.GetHashAndReset();
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Where.</param>
    /// <param name="key">Of this training.</param>
    /// <returns>Null if there is none of this training, or it is damaged: training begins at its beginning.</returns>
    internal static TrainingCheckpoint? Read(string path, ReadOnlySpan<byte> key)
    {
        try
        {
            byte[] file = FileBytes.Read(path, "Checkpoint", MaxBytes);
            int length = file.Length - SHA256.HashSizeInBytes;
            if (length < Magic.Length + key.Length || !file.AsSpan().StartsWith(Magic)
                || !file.AsSpan(Magic.Length, key.Length).SequenceEqual(key)
                || !SHA256.HashData(file.AsSpan(0, length)).AsSpan().SequenceEqual(file.AsSpan(length)))
            {
                return null;
            }

            int begin = Magic.Length + key.Length;
            using var from = new BinaryReader(new MemoryStream(file, begin, length - begin));
            var spent = new TimeSpan(from.ReadInt64());
            var ended = new EndedCandidate[from.ReadInt32()];
            for (int i = 0; i < ended.Length; i++)
            {
                ended[i] = new EndedCandidate(from.ReadInt32(), from.ReadDouble(), ReadLosses(from));
            }

            return new TrainingCheckpoint(
                spent, ended, new TrainedNet(from.ReadInt32(), from.ReadDouble(), ReadFloats(from), ReadWeights(from)));
        }
        catch (InputException)
        {
            return null;
        }
    }

    /// <summary>Writes the file. A disk that refuses costs only that training cannot continue from here.</summary>
    /// <param name="path">Where.</param>
    /// <param name="key">Of this training.</param>
    internal void Write(string path, ReadOnlySpan<byte> key)
    {
        using var file = new MemoryStream();
        using var to = new BinaryWriter(file);
        to.Write(Magic);
        to.Write(key);
        to.Write(Spent.Ticks);
        to.Write(Ended.Count);
        foreach (EndedCandidate candidate in Ended)
        {
            to.Write(candidate.Number);
            to.Write(candidate.Score);
            to.Write(candidate.Losses.Count);
            foreach (EpochLoss loss in candidate.Losses)
            {
                to.Write(loss.Training);
                to.Write(loss.Validation);
            }
        }

        to.Write(Best.Number);
        to.Write(Best.Score);
        Write(to, Best.Share);
        to.Write(Best.Weights.Length);
        foreach (float[] weights in Best.Weights)
        {
            Write(to, weights);
        }

        to.Write(SHA256.HashData(file.GetBuffer().AsSpan(0, (int)file.Length)));
        try
        {
            FileBytes.Write(path, file.GetBuffer().AsSpan(0, (int)file.Length));
        }
        catch (InputException)
        {
            // The model matters more.
        }
    }

    private static void Write(BinaryWriter to, float[] values)
    {
        to.Write(values.Length);
        to.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    private static EpochLoss[] ReadLosses(BinaryReader from)
    {
        var losses = new EpochLoss[from.ReadInt32()];
        for (int i = 0; i < losses.Length; i++)
        {
            losses[i] = new EpochLoss(from.ReadDouble(), from.ReadDouble());
        }

        return losses;
    }

    private static float[][] ReadWeights(BinaryReader from)
    {
        var weights = new float[from.ReadInt32()][];
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = ReadFloats(from);
        }

        return weights;
    }

    private static float[] ReadFloats(BinaryReader from)
    {
        var values = new float[from.ReadInt32()];
        from.BaseStream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
