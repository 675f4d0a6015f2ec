using System.Diagnostics;

namespace Edge.Testing;

/// <summary>A file system in memory with so much room and no more; needs root.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    internal SmallDisk(int megabytes)
    {
        if (!Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", _folder.Path))
        {
            throw new InvalidOperationException("A file system cannot be mounted.");
        }
    }

    /// <summary>Whether one can be made here.</summary>
    internal static bool IsPossible { get; } = Try();

    internal string Path => _folder.Path;

    /// <summary>Fills what is left, to the last byte, with one file.</summary>
    /// <returns>The file; delete it, and there is space again.</returns>
    internal string Fill()
    {
        string path = System.IO.Path.Combine(_folder.Path, "filler");
        byte[] block = new byte[4096];
        using FileStream file = File.Create(path, bufferSize: 0);
        try
        {
            while (true)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            return path;
        }
    }

    public void Dispose()
    {
        Run("umount", "-l", _folder.Path);
        _folder.Dispose();
    }

    private static bool Try()
    {
        using var folder = new TemporaryFolder();
        return Run("mount", "-t", "tmpfs", "tmpfs", folder.Path) && Run("umount", "-l", folder.Path);
    }

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

/// <summary>A test that mounts a small disk.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SmallDiskFactAttribute : FactAttribute
{
    public SmallDiskFactAttribute() => Skip = SmallDisk.IsPossible ? null : "needs the right to mount a tmpfs";
}
