using Edge.Inference;

namespace Edge.Quantize;

/// <summary>Reads and writes whole files, with a size limit and one sentence per error. Writes are atomic.</summary>
internal static class FileBytes
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">Where.</param>
    /// <param name="what">What it is to the user: Model, Manifest, State.</param>
    /// <param name="maxBytes">The most that is read.</param>
    /// <exception cref="InputException">The file is missing, too large or cannot be read.</exception>
    internal static byte[] Read(string path, string what, long maxBytes = 1L << 30)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                throw new InputException($"{what} '{path}' does not exist. Check the path.");
            }

            if (file.Length > maxBytes)
            {
                throw new InputException($"{what} '{path}' has {file.Length} bytes; {maxBytes} is the limit.");
            }

            return RegularFile.ReadBytes(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"{what} '{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Tells before long work whether its result can be written. What is in the file stays there.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    internal static void RequireWritable(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                throw new IOException("It is a folder.");
            }

            string partial = Partial(path);
            using (File.Create(partial))
            {
            }

            File.Delete(partial);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw FileFault.Unwritable(path, e);
        }
    }

    /// <summary>Writes a temporary file and renames it, so that a reader never sees half a file.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    internal static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        string partial = Partial(path);
        try
        {
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            RemoveIfPossible(partial);
            throw FileFault.Unwritable(path, e);
        }
    }

    // What is left of a write that failed would take space on a disk that is full.
    private static void RemoveIfPossible(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            // The file was never there, or the disk is gone; the fault before it is the one to tell.
        }
    }

    private static string Partial(string path) => path + ".partial";
}
