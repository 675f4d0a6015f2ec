using System.Runtime.InteropServices;
using Edge.Inference;

namespace Edge.Runtime.Delivery;

/// <summary>
/// The bytes of a file outside of the heap of .NET. An array of a megabyte would stay there until the next full collection, and the service
/// reads a file of the row log whenever one is closed.
/// </summary>
internal sealed unsafe class FileContent : IDisposable
{
    private readonly int _length;
    private byte* _bytes;

    private FileContent(int length)
    {
        _length = length;
        _bytes = (byte*)NativeMemory.Alloc((nuint)length);
    }

    /// <summary>The bytes, until this is disposed.</summary>
    internal ReadOnlySpan<byte> Span => new(_bytes, _length);

    /// <summary>Reads a whole file of less than 2 GB.</summary>
    /// <exception cref="IOException">It is not a regular file, is larger, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static FileContent Read(string path)
    {
        using FileStream file = RegularFile.OpenRead(path);
        if (file.Length > int.MaxValue)
        {
            throw new IOException($"'{path}' has {file.Length} bytes; {int.MaxValue} is the limit.");
        }

        var content = new FileContent((int)file.Length);
        try
        {
            file.ReadExactly(new Span<byte>(content._bytes, content._length));
            return content;
        }
        catch (Exception)
        {
            content.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(_bytes);
        _bytes = null;
    }
}
