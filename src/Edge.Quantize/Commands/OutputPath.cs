namespace Edge.Quantize.Commands;

/// <summary>Writing results: whole or not at all, and never a stack trace for a full disk or a wrong folder.</summary>
internal static class OutputPath
{
    /// <summary>Writes beside the target and renames, so that a reader never meets half a file.</summary>
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
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"'{path}' cannot be written: {e.Message}", e);
        }
    }

    internal static byte[] Read(string path, string what)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"{what} '{path}' cannot be read: {e.Message}", e);
        }
    }
}
