using Edge.Inference;

namespace Edge.Runtime.Commands;

/// <summary>
/// A file that a command writes. The first write that fails is one sentence. What is written after it is dropped, so that a writer that
/// is closed then does not fail again.
/// </summary>
/// <param name="file">The open file.</param>
/// <param name="path">Its path.</param>
/// <param name="option">The option that names it; empty if the path says enough.</param>
internal sealed class OutputFile(FileStream file, string path, string option = "") : Stream
{
    private bool _hasFailed;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Creates a file, or replaces it.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    internal static OutputFile Create(string path, string option = "")
    {
        try
        {
            return new OutputFile(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0), path, option);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw FileFault.Unwritable(path, e, option);
        }
    }

    /// <exception cref="InputException">The disk does not accept the bytes.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_hasFailed)
        {
            return;
        }

        try
        {
            file.Write(buffer);
            file.Flush();
        }
        catch (IOException e)
        {
            _hasFailed = true;
            throw FileFault.Unwritable(path, e, option);
        }
    }

    /// <exception cref="InputException">The disk does not accept the bytes.</exception>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Every write is.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }
}
