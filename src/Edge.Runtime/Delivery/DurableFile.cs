using System.Runtime.InteropServices;
using Edge.Inference;

namespace Edge.Runtime.Delivery;

/// <summary>Files that are there whole or not at all, whenever the power goes: written beside, forced, renamed, and the folder forced.</summary>
internal static partial class DurableFile
{
    // The one flag that is the same on every processor: the number that says "only a folder" on x86 means direct I/O on ARM, which folders refuse.
    private const int OpenReadOnly = 0;

    /// <exception cref="InputException">It cannot be written; what was there is as it was.</exception>
    internal static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        try
        {
            string partial = path + ".partial";
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
            ForceFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"'{path}' cannot be written: {e.Message}", e);
        }
    }

    // .NET has no way to: a rename is on the card when its folder is.
    private static void ForceFolder(string folder)
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
            throw new IOException($"Folder '{folder}' cannot be forced to the card: {reason}.");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Force(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}
