namespace Edge.Onnx;

/// <summary>Options of ONNX Runtime: library, provider and device.</summary>
internal sealed record OnnxOptions
{
    /// <summary>All providers, the fastest first.</summary>
    public static IReadOnlyList<string> KnownProviders { get; } = ["tensorrt", "cuda", "cpu"];

    /// <summary>Path of libonnxruntime.so; null for the package's own.</summary>
    public string? Library { get; init; }

    /// <summary>Execution providers in order of preference; the first that works is used.</summary>
    public IReadOnlyList<string> Providers { get; init; } = ["cpu"];

    /// <summary>Number of the GPU, from 0.</summary>
    public int Device { get; init; }

    /// <summary>Largest GPU memory in bytes; null for no limit.</summary>
    public long? MemoryMaxBytes { get; init; }

    /// <summary>Whether TensorRT may compute in 16 bits.</summary>
    public bool Half { get; init; }

    /// <summary>Folder for the engines TensorRT builds, which takes minutes; null to build them at every start.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Threads of one step, 1..64.</summary>
    public int Threads { get; init; } = 1;
}
