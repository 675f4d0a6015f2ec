using System.Text;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Forecasting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>
/// What a card may make of a power cut: of everything written after the last forced write, each 512-byte sector is there, not there, or
/// garbage, in any combination. EDGE_TEST_CASES=1000 is the long run.
/// </summary>
public sealed class PowerCutTests : IDisposable
{
    private const int Sector = 512;
    private const int LogHeader = 32;
    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 40;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_store_always_starts_from_a_committed_tick_not_older_than_the_last_forced_one_and_no_number_is_used_twice()
    {
        var random = new Random(20260103);
        for (int i = 0; i < Cases; i++)
        {
            string alive = _folder.File($"alive-{i}");
            string cut = _folder.File($"cut-{i}");
            long forced;
            long last = 0;
            using (StateStore store = Open(alive, "boot-1"))
            {
                last = Tick(store, last, random.Next(1, 40));
                store.Force();
                forced = last;
                byte[] database = File.ReadAllBytes(store.Path);
                byte[] log = File.ReadAllBytes(store.Path + "-wal");

                // Unforced: these ticks' messages may have gone out, but the card owes us nothing of them.
                last = Tick(store, last, random.Next(0, 60));
                Directory.CreateDirectory(cut);
                File.WriteAllBytes(Path.Combine(cut, "edge.db"), AfterCut(database, File.ReadAllBytes(store.Path), random));

                // SQLite forces the header of a log that it begins again before it writes on.
                byte[] logNow = File.ReadAllBytes(store.Path + "-wal");
                logNow.AsSpan(0, Math.Min(LogHeader, Math.Min(log.Length, logNow.Length))).CopyTo(log);
                File.WriteAllBytes(Path.Combine(cut, "edge.db-wal"), AfterCut(log, logNow, random));
            }

            using (StateStore after = Open(cut, "boot-2"))
            {
                SavedStream saved = after.Load("s")!;
                Assert.InRange(BitConverter.ToInt64(saved.Snapshot), forced, last);
                Assert.True(saved.Seq >= last, $"case {i}: number {saved.Seq + 1} would come again, {last} went out");
                Assert.All(
                    after.Read(0, 10_000).Messages,
                    message => Assert.Matches("^tick [0-9]+ x*$", Encoding.UTF8.GetString(message.Payload.Span)));
                Assert.True(after.Commit("s", saved.Seq + 1, saved.Snapshot, "", []));
            }

            Assert.Empty(Directory.GetFiles(cut, "*.damaged-*"));
            Directory.Delete(alive, recursive: true);
            Directory.Delete(cut, recursive: true);
        }
    }

    // The same for ticks that are rows in the log, with a snapshot now and then: what is stored is the state of one tick, not older than
    // the last forced one, with all of its messages and none of a later tick.
    [Fact]
    public void Rows_after_a_power_cut_continue_the_snapshot_without_a_gap_and_bring_all_their_messages()
    {
        var random = new Random(20261126);
        for (int i = 0; i < Cases; i++)
        {
            string alive = _folder.File($"alive-{i}");
            string cut = _folder.File($"cut-{i}");
            long forced;
            long last = 0;
            long delivered = 0;
            using (StateStore store = Open(alive, "boot-1"))
            {
                last = Append(store, last, random.Next(1, 40), random, ref delivered, () => { });
                store.Force();
                forced = last;
                Dictionary<string, byte[]> before = Files(alive);
                Forced(before, alive);

                // The log is forced before a snapshot, or messages, go to the database.
                last = Append(store, last, random.Next(0, 60), random, ref delivered, () => Forced(before, alive));
                Dictionary<string, byte[]> now = Files(alive);
                now["edge.db-wal"].AsSpan(0, Math.Min(LogHeader, before["edge.db-wal"].Length)).CopyTo(before["edge.db-wal"]);
                Directory.CreateDirectory(cut);
                foreach ((string name, byte[] bytes) in now)
                {
                    File.WriteAllBytes(Path.Combine(cut, name), AfterCut(before.GetValueOrDefault(name) ?? [], bytes, random));
                }
            }

            using (StateStore after = Open(cut, "boot-2"))
            {
                SavedStream saved = after.Load("s")!;
                Assert.Equal(saved.Stepped, BitConverter.ToInt64(saved.Snapshot));
                Assert.Equal(Enumerable.Range(1, saved.Rows.Count).Select(each => saved.Stepped + each), saved.Rows.Select(row => row.Seq));
                Assert.All(saved.Rows, row => Assert.Equal(row.Seq, row.Values[0]));
                long stepped = saved.Stepped + saved.Rows.Count;
                Assert.InRange(stepped, forced, last);
                Assert.True(saved.Seq >= last, $"case {i}: number {saved.Seq + 1} would come again, {last} went out");
                long[] messages =
                [
                    .. after.Read(0, 10_000).Messages
                        .Select(message => Encoding.UTF8.GetString(message.Payload.Span).Split(' ')[1])
                        .Select(seq => long.Parse(seq, System.Globalization.CultureInfo.InvariantCulture)),
                ];
                Assert.Equal(Enumerable.Range(0, messages.Length).Select(each => stepped - messages.Length + 1 + each), messages);

                // One that was acknowledged may be gone though its tick is the last that is left.
                Assert.True(messages.Length >= stepped - delivered);
                Assert.True(after.Append("s", Row(saved.Seq + 1), []));
            }

            Assert.Empty(Directory.GetFiles(cut, "*.damaged-*"));
            Directory.Delete(alive, recursive: true);
            Directory.Delete(cut, recursive: true);
        }
    }

    private static long Append(StateStore store, long last, int count, Random random, ref long delivered, Action forced)
    {
        for (int i = 0; i < count; i++)
        {
            last++;
            Assert.True(store.Append("s", Row(last), [Forecast($"tick {last} {new string('x', 500)}")]));
            if (last == 1 || random.Next(12) == 0)
            {
                byte[] snapshot = new byte[4000];
                BitConverter.TryWriteBytes(snapshot, last);
                Assert.True(store.Commit("s", last, snapshot, "", []));
            }

            // Not the newest: a message that is acknowledged but not forgotten may come again.
            if (last % 3 == 0)
            {
                store.Delivered(store.Read(0, 1).LastId);
                delivered++;
            }

            if (store.IsLogOnDisk)
            {
                forced();
            }
        }

        return last;
    }

    private static CommittedRows Row(long seq)
    {
        var rows = new TickRows(["x"]);
        var reading = new Reading(1) { Time = DateTime.UnixEpoch.AddSeconds(seq) };
        reading.Values[0] = seq;
        rows.Add(reading);
        rows.Complete(seq, 0);
        return rows.ToCommitted();
    }

    private static Dictionary<string, byte[]> Files(string folder) =>
        new[] { "edge.db", "edge.db-wal" }.Concat(RowLog.Files(folder).Select(file => Path.GetFileName(file.Path)))
            .ToDictionary(name => name, name => File.ReadAllBytes(Path.Combine(folder, name)));

    private static void Forced(Dictionary<string, byte[]> before, string folder)
    {
        foreach ((_, string path) in RowLog.Files(folder))
        {
            // A file system fills the last block of a file with zeros.
            byte[] bytes = File.ReadAllBytes(path);
            Array.Resize(ref bytes, (bytes.Length + Sector - 1) / Sector * Sector);
            before[Path.GetFileName(path)] = bytes;
        }
    }

    private static long Tick(StateStore store, long last, int count)
    {
        for (int i = 0; i < count; i++)
        {
            last++;
            byte[] snapshot = new byte[4000];
            BitConverter.TryWriteBytes(snapshot, last);
            Assert.True(store.Commit("s", last, snapshot, "", [Forecast($"tick {last} {new string('x', 500)}")]));
            if (last % 3 == 0)
            {
                store.Delivered(store.Read(0, 1).LastId);
            }
        }

        return last;
    }

    private static MqttMessage Forecast(string payload) =>
        new() { Topic = "t", Payload = Encoding.UTF8.GetBytes(payload), Class = MessageClass.Forecast };

    // The file as it was at the last fsync, with some of the sectors written since.
    private static byte[] AfterCut(byte[] before, byte[] now, Random random)
    {
        int longest = Math.Max(before.Length, now.Length);
        byte[] file = new byte[random.Next(2) == 0 ? now.Length : Math.Max(before.Length, random.Next(before.Length, longest + 1))];
        before.AsSpan(0, Math.Min(before.Length, file.Length)).CopyTo(file);
        double share = random.NextDouble();
        for (int at = 0; at < Math.Min(now.Length, file.Length); at += Sector)
        {
            int length = Math.Min(Sector, Math.Min(now.Length, file.Length) - at);
            ReadOnlySpan<byte> written = now.AsSpan(at, length);
            if (at + length <= before.Length && written.SequenceEqual(before.AsSpan(at, length)))
            {
                continue;
            }

            if (random.NextDouble() < share)
            {
                written.CopyTo(file.AsSpan(at));
            }
            else if (random.Next(4) == 0)
            {
                random.NextBytes(file.AsSpan(at, length));
            }
        }

        return file;
    }

    private static StateStore Open(string folder, string bootId) =>
        StateStore.Open(folder, TimeSpan.FromHours(1), TimeSpan.FromDays(7), TimeProvider.System, bootId, NullLogger.Instance);
}
