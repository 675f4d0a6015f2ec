using System.Runtime.InteropServices;
using Edge.Inference;
using Microsoft.Win32.SafeHandles;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Writes files atomically, also across a power cut: writes a temporary file, fsyncs it, renames it, and fsyncs the folder.
/// </summary>
internal static partial class DurableFile
{
    // The only flag with the same value on every processor: O_DIRECTORY of x86 is O_DIRECT on ARM, which a folder refuses.
    private const int OpenReadOnly = 0;

    /// <exception cref="InputException">It cannot be written; the old file is unchanged.</exception>
    internal static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        string partial = path + ".partial";
        try
        {
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write))
            {
                stream.Write(bytes);
            }

            Replace(partial, path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            Discard(partial);
            throw FileFault.Unwritable(path, e);
        }
    }

    /// <summary>Removes a file that could not be written to its end, if that is possible.</summary>
    internal static void Discard(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            // The reason why the file cannot be written is said.
        }
    }

    /// <summary>Gives a whole file its name: fsyncs it, renames it, and fsyncs the folder.</summary>
    /// <param name="partial">Its path so far, in the same folder.</param>
    /// <param name="path">Its path from now on. A file there is replaced.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    internal static void Replace(string partial, string path)
    {
        using (SafeFileHandle file = File.OpenHandle(partial, access: FileAccess.ReadWrite))
        {
            RandomAccess.FlushToDisk(file);
        }

        File.Move(partial, path, overwrite: true);
        ForceFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    // .NET has no fsync of a folder, which a durable rename needs.
    /// <summary>Flushes the entries of a folder to disk (fsync): without it a new file may be gone after a power cut.</summary>
    /// <exception cref="IOException">It cannot be flushed.</exception>
    internal static void ForceFolder(string folder)
    {
        int handle = Open(folder, OpenReadOnly);
        if (handle < 0)
        {
            throw new IOException($"Folder '{folder}' cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        int failed = Force(handle);
        string reason = Marshal.GetLastPInvokeErrorMessage();
        _ = Close(handle);
        if (failed != 0)
        {
            throw new IOException($"fsync of folder '{folder}' failed: {reason}.");
        }
    }

    // .NET's flush is fsync, for which a changed time of the file is reason enough to write the journal.
    /// <summary>Flushes the bytes and the size of a file to disk, but not its times (fdatasync).</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    internal static void ForceData(SafeFileHandle file)
    {
        if (ForceDataOf(file) != 0)
        {
            throw new IOException($"fdatasync failed: {Marshal.GetLastPInvokeErrorMessage()}.");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Force(int handle);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int ForceDataOf(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}
