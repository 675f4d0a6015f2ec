using System.Runtime.CompilerServices;

namespace Edge.Testing;

/// <summary>The recorded readings and trained models beside the checkout (../shared/data), where a checkout has them.</summary>
internal static class SharedData
{
    internal static string Root { get; } = Path.GetFullPath(Path.Combine(Here(), "..", "..", "..", "shared", "data"));

    internal static bool IsThere => Directory.Exists(Root);

    internal static string Readings(string name) => Path.Combine(Root, "readings", name);

    internal static string Model(string name, string file) => Path.Combine(Root, "models", name, file);

    internal static string Zoo(string file) => Path.Combine(Root, "onnx-zoo", file);

    internal static string ReadingsOf(string model) => Readings(model.Split('-')[0] switch
    {
        "etth1" => "ETTh1.csv",
        "skab" => "skab-anomaly-free.csv",
        _ => "nab-ambient-temperature.csv",
    });

    private static string Here([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
