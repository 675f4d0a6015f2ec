using System.Runtime.CompilerServices;

namespace Edge.Testing;

/// <summary>The recorded readings and trained models beside the checkout (../shared/data), where a checkout has them.</summary>
internal static class SharedData
{
    // Beside the checkout, or beside a folder that it lies in, as a worktree may.
    internal static string Root { get; } = Candidates().FirstOrDefault(Directory.Exists) ?? Candidates().First();

    internal static bool IsThere => Directory.Exists(Root);

    internal static string Readings(string name) => Path.Combine(Root, "readings", name);

    internal static string Model(string name, string file) => Path.Combine(Root, "models", name, file);

    internal static string Xlstm(string name, string file) => Path.Combine(Root, "xlstm", name, file);

    internal static string Zoo(string file) => Path.Combine(Root, "onnx-zoo", file);

    internal static string ReadingsOf(string model) => Readings(model.Split('-')[0] switch
    {
        "etth1" => "ETTh1.csv",
        "skab" => "skab-anomaly-free.csv",
        _ => "nab-ambient-temperature.csv",
    });

    private static IEnumerable<string> Candidates()
    {
        for (DirectoryInfo? folder = new DirectoryInfo(Here()).Parent!.Parent!.Parent; folder is not null; folder = folder.Parent)
        {
            yield return Path.Combine(folder.FullName, "shared", "data");
        }
    }

    private static string Here([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
