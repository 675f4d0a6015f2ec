namespace Edge.Testing;

/// <summary>A folder of a test's own, gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("edge-test-").FullName;

    internal string File(string name) => System.IO.Path.Combine(Path, name);

    internal string Write(string name, string text)
    {
        System.IO.File.WriteAllText(File(name), text);
        return File(name);
    }

    /// <summary>Lets other users read it all: a broker started by root drops its privileges before it reads its files.</summary>
    internal void ShareForReading()
    {
        foreach (string file in Directory.GetFiles(Path))
        {
            System.IO.File.SetUnixFileMode(file, (UnixFileMode)0b110_100_100);
        }

        System.IO.File.SetUnixFileMode(Path, (UnixFileMode)0b111_101_101);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
