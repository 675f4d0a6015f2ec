using System.Globalization;
using System.Text;
using Edge.Inference;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Edge.Runtime.Delivery;

/// <summary>
/// The reserved numbers of each stream again, in a small file beside the database. If the database is damaged, deleted or replaced by an
/// older copy, numbers continue after those that may have been used.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="log">A disk that refuses.</param>
internal sealed class NumbersFile(string path, ILogger log)
{
    private const long FileMaxBytes = 1 << 20;

    /// <summary>Reads it. A missing or damaged file has no numbers.</summary>
    internal Dictionary<string, long> Read()
    {
        var numbers = new Dictionary<string, long>();
        try
        {
            if (!File.Exists(path))
            {
                return numbers;
            }

            foreach (string line in RegularFile.ReadText(path, FileMaxBytes).Split('\n'))
            {
                string[] parts = line.Split(' ');
                if (parts.Length == 3
                    && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                    && long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out long sum)
                    && sum == SumOf(parts[0], number))
                {
                    numbers[parts[0]] = number;
                }
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            log.LogWarning("'{Path}' cannot be read: {Reason}", path, e.Message);
        }

        return numbers;
    }

    /// <summary>Replaces it; on disk (fsync) before this returns.</summary>
    internal void Write(IReadOnlyDictionary<string, long> numbers)
    {
        try
        {
            DurableFile.Write(path, Text(numbers));
        }
        catch (InputException e)
        {
            // The database has them as well.
            log.LogWarning("{Reason}", e.Message);
        }
    }

    /// <summary>Overwrites it in its place, which needs no space on a full disk; on disk (fsync) before this returns.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    internal void Overwrite(IReadOnlyDictionary<string, long> numbers)
    {
        byte[] text = Text(numbers);
        using SafeFileHandle file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write);
        RandomAccess.Write(file, text, 0);
        RandomAccess.SetLength(file, text.Length);
        RandomAccess.FlushToDisk(file);
    }

    private static byte[] Text(IReadOnlyDictionary<string, long> numbers)
    {
        var text = new StringBuilder();
        foreach ((string stream, long number) in numbers.OrderBy(each => each.Key, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"{stream} {number} {SumOf(stream, number)}\n");
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static long SumOf(string stream, long number)
    {
        var sum = new Checksum();
        sum.Add(stream);
        sum.Add(number);
        return sum.Sum;
    }
}
