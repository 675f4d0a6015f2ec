using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Edge.Inference;

namespace Edge.Quantize.Learning;

/// <summary>The best weights of a net and how it did.</summary>
/// <param name="Candidate">What it is.</param>
/// <param name="Score">As <see cref="ForecastNet.Score"/>.</param>
/// <param name="Share">As <see cref="ForecastNet.Share"/>.</param>
/// <param name="Weights">Of each parameter, in the order of the network.</param>
internal sealed record TrainedNet(Candidate Candidate, double Score, float[] Share, float[][] Weights);

/// <summary>What training has done so far, in a file: training that was cut off continues from it.</summary>
/// <param name="Spent">Time that it has taken.</param>
/// <param name="Learned">The candidates that were trained to their end.</param>
/// <param name="Best">The best of them.</param>
internal sealed record TrainingCheckpoint(TimeSpan Spent, IReadOnlyList<Learned> Learned, TrainedNet Best)
{
    private const int MaxBytes = 256 << 20;

    private static ReadOnlySpan<byte> Magic => "edgetrain1"u8;

    /// <summary>Tells trainings apart: one continues only with the same rows, options and program.</summary>
    internal static byte[] KeyOf(TrainingRows rows, LearnerOptions options)
    {
        string said = string.Create(
            CultureInfo.InvariantCulture,
            $"{Assembly.GetExecutingAssembly().ManifestModule.ModuleVersionId} {rows.Width} {rows.Period.Ticks} "
                + $"{string.Join(',', rows.Calendar)} {string.Join(',', options.Horizons)} {string.Join('\n', options.Targets)} "
                + $"{options.Lags} {options.Cell} {options.Units} {options.Layers} {options.Dropout} {options.Epochs} {options.Seed}");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(said));
        hash.AppendData(MemoryMarshal.AsBytes(rows.Values.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(rows.IsFault.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(rows.Ticks.AsSpan()));
        return hash.GetHashAndReset();
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Where.</param>
    /// <param name="key">Of this training.</param>
    /// <param name="candidates">All candidates of this training; their seeds differ.</param>
    /// <returns>Null if there is none of this training, or it is damaged: training begins at its beginning.</returns>
    /// <exception cref="InputException">The file is another one, which <see cref="Write"/> would replace.</exception>
    internal static TrainingCheckpoint? Read(string path, ReadOnlySpan<byte> key, IReadOnlyList<Candidate> candidates)
    {
        if (Directory.Exists(path))
        {
            throw new InputException($"'{path}' is a folder. Name a file with --resume.");
        }

        if (!File.Exists(path))
        {
            return null;
        }

        byte[] file = FileBytes.Read(path, "Checkpoint", MaxBytes);
        if (!file.AsSpan().StartsWith(Magic))
        {
            throw new InputException($"'{path}' is no checkpoint of a training, and would be replaced. Name another file with --resume.");
        }

        int length = file.Length - SHA256.HashSizeInBytes;
        if (length < Magic.Length + key.Length
            || !file.AsSpan(Magic.Length, key.Length).SequenceEqual(key)
            || !SHA256.HashData(file.AsSpan(0, length)).AsSpan().SequenceEqual(file.AsSpan(length)))
        {
            return null;
        }

        int begin = Magic.Length + key.Length;
        using var from = new BinaryReader(new MemoryStream(file, begin, length - begin));
        var spent = new TimeSpan(from.ReadInt64());
        var learned = new Learned[from.ReadInt32()];
        for (int i = 0; i < learned.Length; i++)
        {
            learned[i] = new Learned(ReadCandidate(), from.ReadDouble(), ReadLosses(from));
        }

        return new TrainingCheckpoint(
            spent, learned, new TrainedNet(ReadCandidate(), from.ReadDouble(), ReadFloats(from), ReadWeights(from)));

        Candidate ReadCandidate()
        {
            int seed = from.ReadInt32();
            return candidates.First(each => each.Seed == seed);
        }
    }

    /// <summary>Writes the file. A disk that refuses costs only that training cannot continue from here.</summary>
    /// <param name="path">Where.</param>
    /// <param name="key">Of this training.</param>
    internal void Write(string path, ReadOnlySpan<byte> key)
    {
        using var file = new MemoryStream();
        using var to = new BinaryWriter(file);
        to.Write(Magic);
        to.Write(key);
        to.Write(Spent.Ticks);
        to.Write(Learned.Count);
        foreach (Learned learned in Learned)
        {
            to.Write(learned.Candidate.Seed);
            to.Write(learned.Score);
            to.Write(learned.Losses.Count);
            foreach (EpochLoss loss in learned.Losses)
            {
                to.Write(loss.Training);
                to.Write(loss.Validation);
            }
        }

        to.Write(Best.Candidate.Seed);
        to.Write(Best.Score);
        Write(to, Best.Share);
        to.Write(Best.Weights.Length);
        foreach (float[] weights in Best.Weights)
        {
            Write(to, weights);
        }

        to.Write(SHA256.HashData(file.GetBuffer().AsSpan(0, (int)file.Length)));
        try
        {
            FileBytes.Write(path, file.GetBuffer().AsSpan(0, (int)file.Length));
        }
        catch (InputException)
        {
            // The model matters more.
        }
    }

    private static void Write(BinaryWriter to, float[] values)
    {
        to.Write(values.Length);
        to.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    private static EpochLoss[] ReadLosses(BinaryReader from)
    {
        var losses = new EpochLoss[from.ReadInt32()];
        for (int i = 0; i < losses.Length; i++)
        {
            losses[i] = new EpochLoss(from.ReadDouble(), from.ReadDouble());
        }

        return losses;
    }

    private static float[][] ReadWeights(BinaryReader from)
    {
        var weights = new float[from.ReadInt32()][];
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = ReadFloats(from);
        }

        return weights;
    }

    private static float[] ReadFloats(BinaryReader from)
    {
        var values = new float[from.ReadInt32()];
        from.BaseStream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
