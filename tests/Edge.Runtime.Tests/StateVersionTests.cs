using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>Files that other versions of the program have written, and the checksums in them.</summary>
public sealed class StateVersionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // The check value of CRC-32C, and vectors of RFC 3720, appendix B.4.
    [Theory]
    [InlineData("313233343536373839", 0xE3069283)]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0x8A9136AA)]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 0x62A8AB43)]
    [InlineData("", 0)]
    public void The_checksum_is_crc_32c(string bytes, long sum) => Assert.Equal(sum, Checksum.Of(Convert.FromHexString(bytes)));

    [Fact]
    public void A_flipped_bit_anywhere_is_seen_in_checksums_of_either_version()
    {
        byte[] bytes = [.. Enumerable.Range(0, 203).Select(i => (byte)(i * 31))];
        (long sum, long before) = (Checksum.Of(bytes), SumOfVersion1(bytes));
        Assert.True(Checksum.Fits(bytes, sum) && Checksum.Fits(bytes, before));
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Checksum.Fits(bytes, sum) || Checksum.Fits(bytes, before));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void A_file_of_version_1_goes_on_with_its_state_and_its_messages()
    {
        byte[] snapshot = [1, 2, 3];
        byte[] payload = Encoding.UTF8.GetBytes("m1");
        WriteThenChange(
            snapshot,
            payload,
            string.Create(
                CultureInfo.InvariantCulture,
                $"UPDATE stream SET sum = {SumOfVersion1(snapshot)}; UPDATE outbox SET sum = {SumOfVersion1(payload)}; "
                    + $"ALTER TABLE stream DROP COLUMN reserved_sum; PRAGMA user_version = 1"));

        using StateStore store = Open();
        Assert.Equal(snapshot, store.Load("s")!.Snapshot);
        Assert.Equal(payload, Assert.Single(store.Read(0, 10).Messages).Payload.ToArray());
    }

    [Fact]
    public void A_file_of_a_later_version_is_left_alone_and_said_in_a_sentence()
    {
        WriteThenChange([1], [2], "PRAGMA user_version = 5");
        byte[] file = File.ReadAllBytes(_folder.File("state/edge.db"));
        InputException e = Assert.Throws<InputException>(Open);
        Assert.Contains("was written by a later version. Update edge-runtime, or move the file away", e.Message, StringComparison.Ordinal);
        Assert.Equal(file, File.ReadAllBytes(_folder.File("state/edge.db")));
    }

    private void WriteThenChange(byte[] snapshot, byte[] payload, string sql)
    {
        using (StateStore store = Open())
        {
            store.Commit("s", 1, snapshot, "", [new MqttMessage { Topic = "t", Payload = payload, Class = MessageClass.Event }]);
        }

        using var connection = new SqliteConnection($"Data Source={_folder.File("state/edge.db")};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"{sql}; PRAGMA wal_checkpoint(TRUNCATE)";
        command.ExecuteNonQuery();
    }

    private static long SumOfVersion1(byte[] bytes) => BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(bytes));

    private StateStore Open() =>
        StateStore.Open(
            _folder.File("state"),
            TimeSpan.FromSeconds(5),
            TimeSpan.FromDays(7),
            TimeProvider.System,
            "boot",
            NullLogger.Instance);
}
