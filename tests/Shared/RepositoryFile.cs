using System.Runtime.CompilerServices;

namespace Edge.Testing;

/// <summary>Files of this repository, for the tests that hold its documents to what the code does.</summary>
internal static class RepositoryFile
{
    internal static string Path(string relative) =>
        System.IO.Path.GetFullPath(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Self())!, "..", "..", relative));

    private static string Self([CallerFilePath] string file = "") => file;
}
