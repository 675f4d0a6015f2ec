using System.Text;
using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams;
using Edge.Streams.Forecasting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>State and outbox on a real file, through restarts, reboots and damage.</summary>
public sealed partial class StateStoreTests : IDisposable
{
    private static readonly TimeSpan Every5Seconds = TimeSpan.FromSeconds(5);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_tick_is_there_after_a_restart_with_all_its_messages()
    {
        using (StateStore store = Open())
        {
            Assert.True(
                store.Commit("s", 1, [1, 2, 3], "source", [Message(MessageClass.Reading, "r1"), Message(MessageClass.Forecast, "f1")]));
            Assert.True(store.Commit("s", 2, [4, 5, 6], "source", [Message(MessageClass.Event, "e2")]));
        }

        using StateStore again = Open();
        SavedStream saved = again.Load("s")!;
        Assert.Equal(2, saved.Seq);
        Assert.Equal([4, 5, 6], saved.Snapshot);
        Assert.Equal("source", saved.Source);
        List<MqttMessage> messages = again.Read(0, 10).Messages;
        Assert.Equal(["r1", "f1", "e2"], messages.Select(Text));
        MqttMessage first = messages[0];
        MqttMessage written = Message(MessageClass.Reading, "r1");
        Assert.Equal(
            (written.Topic, written.QualityOfService, written.Retain, written.ContentType, written.ExpirySeconds),
            (first.Topic, first.QualityOfService, first.Retain, first.ContentType, first.ExpirySeconds));
        Assert.Equal((written.Seq, written.Model), (first.Seq, first.Model));
        Assert.Equal((3, 6), (again.OutboxCount, again.OutboxBytes));
    }

    [Fact]
    public void What_was_delivered_is_forgotten_at_the_next_tick()
    {
        using StateStore store = Open();
        MqttMessage[] tick = [Message(MessageClass.Reading, "a"), Message(MessageClass.Reading, "b"), Message(MessageClass.Reading, "c")];
        store.Commit("s", 1, [], "", tick);
        store.Delivered(tick[1].Id);
        Assert.Equal(["c"], store.Read(0, 10).Messages.Select(Text));
        store.Commit("s", 2, [], "", []);
        Assert.Equal((1, 1), (store.OutboxCount, store.OutboxBytes));
    }

    [Fact]
    public async Task An_acknowledgment_does_not_wait_for_a_commit()
    {
        using var clock = new HeldClock();
        using StateStore store = StateStore.Open(
            _folder.Path, Every5Seconds, TimeSpan.FromDays(7), clock, "boot", NullLogger.Instance);
        MqttMessage[] tick = [Message(MessageClass.Reading, "a"), Message(MessageClass.Reading, "b")];
        Assert.True(store.Commit("s", 1, [], "", tick));

        // A commit asks for the time of its messages while it has the store to itself.
        clock.IsHeld = true;
        Task<bool> commit = Task.Run(() => store.Commit("s", 2, [], "", [Message(MessageClass.Reading, "c")]));
        await clock.Asked.Task.WaitAsync(Eventually.Bound);
        await Task.Run(() => store.Delivered(tick[0].Id)).WaitAsync(Eventually.Bound);
        Assert.False(commit.IsCompleted);
        clock.Release();
        Assert.True(await commit.WaitAsync(Eventually.Bound));
        Assert.Equal(["b", "c"], store.Read(0, 10).Messages.Select(Text));
    }

    [Fact]
    public void Without_room_the_oldest_readings_go_first_forecasts_next_and_events_last()
    {
        using StateStore store = Open();
        for (int i = 0; i < 30; i++)
        {
            store.Commit("s", i + 1, [], "", [Message((MessageClass)(i % 3), $"{i:00}")]);
        }

        store.Evict(30);
        Assert.Equal([10, 5, 0], store.Evicted);
        Assert.Equal(30, store.OutboxBytes);
        Assert.Equal(
            ["02", "05", "08", "11", "14", "16", "17", "19", "20", "22", "23", "25", "26", "28", "29"],
            store.Read(0, 100).Messages.Select(Text));
        store.Evict(4);
        Assert.Equal([10, 10, 8], store.Evicted);
        Assert.Equal(["26", "29"], store.Read(0, 100).Messages.Select(Text));
    }

    [Fact]
    public void Readings_and_forecasts_that_waited_too_long_are_given_up_and_events_are_not()
    {
        using StateStore store = Open();
        store.Commit(
            "s",
            1,
            [],
            "",
            [Message(MessageClass.Reading, "r"), Message(MessageClass.Forecast, "f"), Message(MessageClass.Event, "e")]);
        _clock.Advance(TimeSpan.FromDays(6));
        store.Commit("s", 2, [], "", [Message(MessageClass.Reading, "later")]);
        store.Expire();
        Assert.Equal(4, store.OutboxCount);
        _clock.Advance(TimeSpan.FromDays(2));
        store.Expire();
        Assert.Equal(["e", "later"], store.Read(0, 10).Messages.Select(Text));
        Assert.Equal((2, 6), (store.OutboxCount, store.OutboxBytes));
    }

    [Fact]
    public void A_killed_process_goes_on_with_the_next_number()
    {
        CopyOfRunning(seq: 41, bootId: "boot-1");
        using StateStore again = Open("boot-1", "copy");
        Assert.Equal(41, again.Load("s")!.Seq);
        Assert.Equal(["m41"], again.Read(0, 100).Messages.Select(Text).TakeLast(1));
    }

    [Fact]
    public void After_a_power_cut_no_number_is_used_twice()
    {
        // What the card has is some earlier moment; what went out may have been up to the reserved numbers.
        CopyOfRunning(seq: 41, bootId: "boot-1");
        using StateStore again = Open("boot-2", "copy");
        Assert.InRange(again.Load("s")!.Seq, 10_000, 20_000);
        Assert.True(again.Commit("s", again.Load("s")!.Seq + 1, [], "", []));
    }

    [Fact]
    public void In_a_sandbox_that_hides_the_boots_id_a_restart_of_the_service_is_not_taken_for_one_of_the_machine()
    {
        string hidden = _folder.File("no-such-file");
        string run = Directory.CreateDirectory(_folder.File("run")).FullName;
        string first = InfoMessage.BootId(hidden, run);
        Assert.Equal(first, InfoMessage.BootId(hidden, run));
        Directory.Delete(run, recursive: true);
        Directory.CreateDirectory(run);
        Assert.NotEqual(first, InfoMessage.BootId(hidden, run));
        Assert.Equal("kernel", InfoMessage.BootId(_folder.Write("boot_id", "kernel\n"), run));
        Assert.StartsWith("process-", InfoMessage.BootId(hidden, null), StringComparison.Ordinal);
        Assert.StartsWith("process-", InfoMessage.BootId(hidden, _folder.File("nowhere")), StringComparison.Ordinal);
    }

    [Fact]
    public void After_a_clean_end_and_a_reboot_no_number_is_skipped()
    {
        using (StateStore store = Open("boot-1"))
        {
            store.Commit("s", 41, [], "", []);
        }

        using StateStore again = Open("boot-2");
        Assert.Equal(41, again.Load("s")!.Seq);
    }

    [Fact]
    public void Numbers_are_reserved_before_they_are_used()
    {
        using StateStore store = Open("boot-1");
        for (long seq = 1; seq < 30_000; seq += 997)
        {
            store.Commit("s", seq, [], "", []);
            File.Copy(store.Path, _folder.File("cut.db"), overwrite: true);
            File.Copy(store.Path + "-wal", _folder.File("cut.db-wal"), overwrite: true);
        }

        Directory.CreateDirectory(_folder.File("cut"));
        File.Move(_folder.File("cut.db"), _folder.File("cut/edge.db"));
        File.Move(_folder.File("cut.db-wal"), _folder.File("cut/edge.db-wal"));
        using StateStore after = Open("boot-2", "cut");
        Assert.InRange(after.Load("s")!.Seq, 30_000, 60_000);
    }

    [Fact]
    public void What_an_outage_has_made_of_the_file_goes_back_to_the_disk()
    {
        using StateStore store = Open();
        long last = 0;
        for (int i = 0; i < 400; i++)
        {
            MqttMessage[] tick = [.. Enumerable.Range(0, 50).Select(_ => Message(MessageClass.Event, new string('x', 1000)))];
            store.Commit("s", i + 1, [], "", tick);
            last = tick[^1].Id;
        }

        store.Force();
        long large = new FileInfo(store.Path).Length;
        Assert.InRange(large, 20_000_000, 40_000_000);
        store.Delivered(last);
        store.Commit("s", 401, [], "", []);
        for (int i = 0; i < 40; i++)
        {
            store.Reclaim();
            store.Force();
        }

        store.Commit("s", 402, [], "", []);
        store.Force();
        Assert.InRange(new FileInfo(store.Path).Length, 0, 6_000_000);
        Assert.InRange(new FileInfo(store.Path + "-wal").Length, 0, 5_000_000);
        Assert.Equal(402, store.Load("s")!.Seq);
    }

    [Fact]
    public void A_disk_that_refuses_is_said_once_ticks_go_on_and_are_taken_again_when_it_does()
    {
        using StateStore store = Open();
        Assert.True(store.Commit("s", 1, [1], "", []));
        using (var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={store.Path};Pooling=False"))
        {
            // Whatever the reason, SQLite says no: here because another holds the file.
            other.Open();
            using Microsoft.Data.Sqlite.SqliteCommand lockAll = other.CreateCommand();
            lockAll.CommandText = "PRAGMA busy_timeout=0; BEGIN EXCLUSIVE";
            lockAll.ExecuteNonQuery();
            MqttMessage message = Message(MessageClass.Event, "x");
            Assert.False(store.Commit("s", 2, [2], "", [message]));
            Assert.Equal(0, message.Id);
        }

        Assert.True(store.Commit("s", 3, [3], "", [Message(MessageClass.Event, "y")]));
        Assert.Equal([3], store.Load("s")!.Snapshot);
        Assert.Equal(["y"], store.Read(0, 10).Messages.Select(Text));
    }

    [Fact]
    public void A_second_process_is_refused_with_a_sentence()
    {
        using StateStore store = Open();
        Assert.Contains("in use by another", Assert.Throws<InputException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reset_forgets_the_state_and_keeps_the_numbers()
    {
        using StateStore store = Open();
        store.Commit("s", 7, [1, 2], "x", []);
        Assert.True(store.Reset("s"));
        Assert.False(store.Reset("t"));
        Assert.Equal((7L, 0, ""), (store.Load("s")!.Seq, store.Load("s")!.Snapshot.Length, store.Load("s")!.Source));
    }

    private static byte[] Snapshot => Enumerable.Range(0, 6000).Select(i => (byte)(i * 7)).ToArray();

    private StateStore Open(string bootId = "boot", string folder = "state") =>
        StateStore.Open(_folder.File(folder), Every5Seconds, TimeSpan.FromDays(7), _clock, bootId, NullLogger.Instance);

    // The files of a store as they are while its process lives: what a kill leaves behind.
    private void CopyOfRunning(long seq, string bootId)
    {
        using StateStore store = Open(bootId);
        for (long tick = 1; tick <= seq; tick++)
        {
            store.Commit("s", tick, BitConverter.GetBytes(tick), "", [Message(MessageClass.Event, $"m{tick}")]);
        }

        Directory.CreateDirectory(_folder.File("copy"));
        foreach (string suffix in new[] { "", "-wal" })
        {
            File.Copy(store.Path + suffix, _folder.File("copy/edge.db" + suffix));
        }
    }

    private static MqttMessage Message(MessageClass messageClass, string text) => new()
    {
        Topic = "edge/d/s/x",
        Payload = Encoding.UTF8.GetBytes(text),
        Class = messageClass,
        Retain = messageClass == MessageClass.Event,
        QualityOfService = messageClass == MessageClass.Reading ? 0 : 1,
        ContentType = "application/json",
        ExpirySeconds = messageClass == MessageClass.Event ? null : 60,
        Seq = 1,
        Model = "abc",
    };

    private static string Text(MqttMessage message) => Encoding.UTF8.GetString(message.Payload.Span);

    /// <summary>Holds the thread that asks for the time, until it is released.</summary>
    private sealed class HeldClock : TimeProvider, IDisposable
    {
        private readonly ManualResetEventSlim _released = new();
        private volatile bool _isHeld;

        internal bool IsHeld
        {
            set => _isHeld = value;
        }

        internal TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal void Release() => _released.Set();

        public override long GetTimestamp()
        {
            if (_isHeld)
            {
                Asked.TrySetResult();
                _released.Wait(Eventually.Bound);
            }

            return base.GetTimestamp();
        }

        public void Dispose() => _released.Dispose();
    }
}
