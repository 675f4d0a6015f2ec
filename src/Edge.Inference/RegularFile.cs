using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Edge.Inference;

/// <summary>
/// Reads files that a user named. A FIFO, a device or a socket is refused before it is opened, because reading one may never end.
/// </summary>
internal static unsafe partial class RegularFile
{
    // Layout of struct statx (statx(2)), which is the same on every processor.
    private const int StatBytes = 256;
    private const int ModeAt = 28;
    private const int InodeAt = 32;
    private const int DeviceAt = 136;
    private const uint TypeMode = 0xF000;
    private const int CurrentFolder = -100;
    private const uint BasicStats = 0x7FF;

    /// <summary>Refuses what is neither a regular file nor a folder. A file that does not exist is left to its reader.</summary>
    /// <exception cref="IOException">It is a FIFO, a device or a socket.</exception>
    internal static void Require(string path)
    {
        if (Stat(path) is { } stat && Kind(stat.Mode) is { } kind)
        {
            throw new IOException($"'{path}' is {kind}, not a file.");
        }
    }

    /// <summary>Opens a file for reading.</summary>
    /// <exception cref="IOException">It is not a regular file but a folder, say, or cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static FileStream OpenRead(string path)
    {
        Require(path);
        if (Directory.Exists(path))
        {
            throw new IOException($"'{path}' is a folder, not a file.");
        }

        return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="bytesMax">Its largest size.</param>
    /// <exception cref="IOException">It is not a regular file, is larger, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static byte[] ReadBytes(string path, long bytesMax = int.MaxValue)
    {
        using FileStream file = OpenRead(path);
        if (file.Length > bytesMax)
        {
            throw new IOException($"'{path}' has {file.Length} bytes; {bytesMax} is the limit.");
        }

        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Reads a whole file of UTF-8, with or without a byte order mark.</summary>
    /// <exception cref="IOException">It is not a regular file, is larger, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static string ReadText(string path, long bytesMax)
    {
        using var text = new StreamReader(new MemoryStream(ReadBytes(path, bytesMax)));
        return text.ReadToEnd();
    }

    /// <summary>Refuses an output that is one of the inputs: it would be overwritten, while it is read perhaps.</summary>
    /// <param name="outputs">Paths of the outputs; null or empty for none.</param>
    /// <param name="inputs">Paths of the inputs; null or empty for none.</param>
    /// <exception cref="InputException">Two are the same file.</exception>
    internal static void RequireApart(ReadOnlySpan<string?> outputs, ReadOnlySpan<string?> inputs)
    {
        foreach (string? output in outputs)
        {
            foreach (string? input in inputs)
            {
                if (IsSame(output, input))
                {
                    throw new InputException($"'{output}' is an input, and would be overwritten. Name another file for the output.");
                }
            }
        }
    }

    /// <summary>Whether two paths lead to one file; not if one of them is null or empty.</summary>
    internal static bool IsSame(string? path, string? other) => !string.IsNullOrEmpty(path) && !string.IsNullOrEmpty(other)
        && (Path.GetFullPath(path) == Path.GetFullPath(other) || (Identity(path) is { } identity && identity == Identity(other)));

    /// <summary>What tells a file from another one that has its name later: device and inode. Null if there is none.</summary>
    internal static (ulong Device, ulong Inode)? Identity(string path) => Stat(path) is { } stat ? (stat.Device, stat.Inode) : null;

    private static string? Kind(uint mode) => (mode & TypeMode) switch
    {
        0x1000 => "a FIFO",
        0x2000 or 0x6000 => "a device",
        0xC000 => "a socket",
        _ => null,
    };

    private static (uint Mode, ulong Inode, ulong Device)? Stat(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        byte* stat = stackalloc byte[StatBytes];
        try
        {
            return StatX(CurrentFolder, path, 0, BasicStats, stat) == 0
                ? (*(ushort*)(stat + ModeAt), *(ulong*)(stat + InodeAt), *(ulong*)(stat + DeviceAt))
                : null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // A C library without statx: the calls of .NET have to do.
            return null;
        }
    }

    [SupportedOSPlatform("linux")]
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* into);
}
