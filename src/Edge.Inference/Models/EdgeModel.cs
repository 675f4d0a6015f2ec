using System.Runtime.InteropServices;
using Edge.Inference.Cells;

namespace Edge.Inference.Models;

/// <summary>
/// An int8 recurrent model: immutable, shared by any number of <see cref="InferenceSession"/>s and threads.
/// </summary>
public sealed class EdgeModel
{
    /// <summary>Largest model file that is read, in bytes.</summary>
    public const long FileMaxBytes = 256L << 20;

    internal EdgeModel(
        ModelManifest manifest, float[] inputOffset, float[] inputScale, Embedding? embedding, Layer[] layers, DenseHead? head,
        string provenance, string sha256, LagRegression? lags = null)
    {
        Manifest = manifest;
        InputOffset = inputOffset;
        InputScale = inputScale;
        Embedding = embedding;
        Layers = layers;
        Head = head;
        Provenance = provenance;
        Sha256 = sha256;
        Lags = lags;
        States = new StateLayout(layers, lags);
    }

    /// <summary>The manifest: what the model reads and forecasts.</summary>
    public ModelManifest Manifest { get; }

    /// <summary>Inputs a step, I: readings and, where the model has an embedding, the number of a symbol after them.</summary>
    public int InputCount => ReadingCount + (Embedding is null ? 0 : 1);

    /// <summary>Whether a step takes the number of a symbol and no readings.</summary>
    public bool ReadsSymbols => Embedding is not null && ReadingCount == 0;

    /// <summary>Outputs a step, O.</summary>
    public int OutputCount => Head?.OutputCount ?? Layers[^1].UnitCount;

    /// <summary>
    /// Bytes of one stream's state: the last rows, if there is a regression on them, the int16 states of all layers, then the int8 states
    /// of all layers.
    /// </summary>
    public int StateBytes => States.Bytes;

    /// <summary>Rows that a regression on the last rows reads: after so many it knows all that it reads. 0 without one.</summary>
    public int LagRowCount => Lags?.RowCount ?? 0;

    /// <summary>SHA-256 of the model file, lower-case hex.</summary>
    public string Sha256 { get; }

    /// <summary>How the file was made, as edge-quantize wrote it: a JSON object.</summary>
    public string Provenance { get; }

    /// <summary>One line for users: <c>lstm 7x64, dense 7</c>. Layers that add nothing to a regression are not named.</summary>
    public string Architecture
    {
        get
        {
            string regression = Lags is null ? "" : $"regression on {Quantity.Of(Lags.Lags.Length, "lag")}"
                + (Lags.OwnLags > 0 ? $" and {Lags.OwnLags} of its own column" : "");
            if (IsRegressionAlone)
            {
                return regression;
            }

            IEnumerable<string> layers = Layers.Select(layer => layer.IsRecurrent && layer.HiddenBits == 16
                ? $"{layer.Type} {layer.InputCount}x{layer.UnitCount} (hidden int16)"
                : layer is BlockLayer { HiddenBits: 16, Products.Count: > 0 }
                ? $"{layer.Type} {layer.InputCount}x{layer.UnitCount} (int16)"
                : $"{layer.Type} {layer.InputCount}x{layer.UnitCount}");
            string readings = ReadingCount > 0 ? $"{ReadingCount} readings + " : "";
            string first = Embedding is null ? "" : $"{readings}embedding {Embedding.SymbolCount}x{Embedding.Width}, ";
            return first + string.Join(", ", Head is null ? layers : layers.Append($"dense {Head.OutputCount}"))
                + (regression.Length > 0 ? $" + {regression}" : "");
        }
    }

    /// <summary>
    /// Whether the outputs are those of a regression: the format wants a layer and a head beside it, and all weights of this head are 0.
    /// </summary>
    internal bool IsRegressionAlone => Lags is not null && Head is { } head
        && Array.TrueForAll(head.Weight, weight => weight == 0) && Array.TrueForAll(head.Bias, bias => bias == 0);

    /// <summary>Inputs that are readings.</summary>
    internal int ReadingCount => InputScale.Length;

    internal float[] InputOffset { get; }

    internal float[] InputScale { get; }

    /// <summary>Before the first layer, or null.</summary>
    internal Embedding? Embedding { get; }

    internal Layer[] Layers { get; }

    /// <summary>After the last layer, or null where its output is the model's.</summary>
    internal DenseHead? Head { get; }

    /// <summary>What is added to the outputs of the head, or null.</summary>
    internal LagRegression? Lags { get; }

    /// <summary>Where each layer's state lies.</summary>
    internal StateLayout States { get; }

    /// <summary>See <see cref="InferenceSession.Skip"/>.</summary>
    internal void Skip(Span<byte> state, long rows)
    {
        if (rows > 0)
        {
            Lags?.Skip(MemoryMarshal.Cast<byte, short>(state[..States.LagBytes]), rows, Manifest.PeriodSeconds);
        }
    }

    /// <summary>Width of what the first layer reads.</summary>
    internal int FeatureCount => Layers[0].InputCount;

    /// <summary>Reads and checks a model file.</summary>
    /// <param name="path">A safetensors file written by <c>edge-quantize</c>.</param>
    /// <exception cref="ModelFormatException">The file is missing, unreadable, damaged or not such a model.</exception>
    public static EdgeModel Load(string path)
    {
        byte[] bytes;
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                throw new ModelFormatException($"Model '{path}' does not exist. Check the path, or create it with edge-quantize train.");
            }

            if (file.Length > FileMaxBytes)
            {
                throw new ModelFormatException($"Model '{path}' has {file.Length} bytes; {FileMaxBytes} is the limit.");
            }

            bytes = RegularFile.ReadBytes(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new ModelFormatException($"Model '{path}' cannot be read: {e.Message}", e);
        }

        try
        {
            return Parse(bytes);
        }
        catch (ModelFormatException e)
        {
            throw new ModelFormatException($"Model '{path}': {e.Message}", e);
        }
    }

    /// <summary>Reads and checks a model from its bytes.</summary>
    /// <exception cref="ModelFormatException">The bytes are damaged or not such a model.</exception>
    public static EdgeModel Parse(ReadOnlyMemory<byte> file)
    {
        TensorFile container = TensorFile.Parse(file);
        ModelChecksum.Verify(container.Metadata, file.Span);
        return ModelFile.Read(container, Models.Sha256.Hex(file.Span));
    }

    /// <summary>The same weights under another manifest.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="provenance">What the file says of its origin; null for what it said before.</param>
    internal EdgeModel With(ModelManifest manifest, string? provenance = null) =>
        new(manifest, InputOffset, InputScale, Embedding, Layers, Head, provenance ?? Provenance, Sha256, Lags);

    /// <summary>Writes the model as a safetensors file: the same model gives the same bytes.</summary>
    public byte[] ToBytes() => ModelFile.Write(this);
}
