using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Edge.Inference;
using Edge.Runtime;
using Edge.Runtime.Mqtt;
using Npgsql;

namespace Edge.Cluster.Storage;

/// <summary>
/// PostgreSQL: the state of each stream, who holds each partition, and the messages that are still to be published. For any thread.
/// </summary>
internal sealed class ClusterDatabase : IAsyncDisposable
{
    private const int SchemaVersion = 1;
    private const string Section = "postgresql.tls";

    // How the client library begins the message that the server has no TLS.
    private const string NoTls = "SSL connection requested";

    // A row's time is kept in ticks of 100 ns since the year 1: a timestamp has microseconds only, and a repeated row must be equal.
    // seq_before makes the update of a stream fail if someone else has stored it meanwhile. States change with every batch: they are not
    // compressed, and pages keep room for the next version of a row.
    private const string Schema = """
        CREATE TABLE IF NOT EXISTS edge_cluster (
            id boolean PRIMARY KEY DEFAULT true CHECK (id), version integer NOT NULL, partitions integer NOT NULL);
        CREATE TABLE IF NOT EXISTS edge_partition (
            id integer PRIMARY KEY, epoch bigint NOT NULL DEFAULT 0, owner text, taken timestamptz, batch bigint NOT NULL DEFAULT 0,
            row_count bigint NOT NULL DEFAULT 0, committed timestamptz) WITH (fillfactor = 50);
        ALTER TABLE edge_partition ADD COLUMN IF NOT EXISTS newest_ticks bigint NOT NULL DEFAULT 0;
        CREATE TABLE IF NOT EXISTS edge_stream (
            key text PRIMARY KEY, partition integer NOT NULL, seq_before bigint NOT NULL, seq bigint NOT NULL,
            row_ticks bigint NOT NULL, row_number bigint NOT NULL, state bytea NOT NULL, tail bytea NOT NULL)
            WITH (fillfactor = 50);
        ALTER TABLE edge_stream ALTER COLUMN state SET STORAGE EXTERNAL, ALTER COLUMN tail SET STORAGE MAIN;
        CREATE TABLE IF NOT EXISTS edge_outbox (
            partition integer NOT NULL, batch bigint NOT NULL, messages bytea NOT NULL, PRIMARY KEY (partition, batch));
        ALTER TABLE edge_outbox ALTER COLUMN messages SET STORAGE EXTERNAL;
        """;

    private readonly DatabaseOptions _options;
    private readonly NpgsqlDataSource _source;
    private readonly ServerCertificate? _certificate;

    /// <param name="options">The database.</param>
    /// <param name="name">Name of the connections, for those who look at the database.</param>
    /// <exception cref="InputException">A file of <c>tls</c> cannot be used.</exception>
    internal ClusterDatabase(DatabaseOptions options, string name)
    {
        _options = options;
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = options.Host,
            Port = options.Port,
            Database = options.Database,
            Username = options.Username,
            Password = options.Password,
            ApplicationName = name,
            SslMode = options.Tls is null ? SslMode.Prefer : SslMode.Require,

            // No worker signs in with Kerberos, whose libraries take memory and a question at each connection.
            GssEncryptionMode = GssEncryptionMode.Disable,
            Timeout = 10,
            CommandTimeout = 60,
            KeepAlive = 30,
            MaxPoolSize = 64,
            Options = $"-c idle_in_transaction_session_timeout={(long)options.Patience.TotalMilliseconds}",
        };
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (options.Tls is { } tls)
        {
            _certificate = new ServerCertificate(options.Host, tls, Section);
            X509CertificateCollection own =
                tls is { CertificateFile: { } file, KeyFile: { } key } ? [TlsFiles.ReadClient(file, key, Section)] : [];
            builder.UseSslClientAuthenticationOptionsCallback(ssl =>
            {
                ssl.TargetHost = options.Host;
                ssl.RemoteCertificateValidationCallback = _certificate.IsTrusted;
                ssl.ClientCertificates = own;
            });
        }

        _source = builder.Build();
    }

    /// <summary>Makes the tables; what is there already stays.</summary>
    /// <exception cref="InputException">They were made for another number of partitions, or by a later version.</exception>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal Task InitAsync(int partitions, CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync(cancel).ConfigureAwait(false);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel).ConfigureAwait(false);

        // Two that are started together must not both make a table.
        await ExecuteAsync(connection, "SELECT pg_advisory_xact_lock(hashtext('edge_cluster'))", cancel).ConfigureAwait(false);
        await ExecuteAsync(connection, Schema, cancel).ConfigureAwait(false);
        await ExecuteAsync(
            connection,
            $"""
            INSERT INTO edge_cluster (version, partitions) VALUES ({SchemaVersion}, {partitions}) ON CONFLICT DO NOTHING;
            INSERT INTO edge_partition (id) SELECT generate_series(0, {partitions - 1}) ON CONFLICT DO NOTHING;
            """,
            cancel).ConfigureAwait(false);
        await RequireAsync(connection, partitions, cancel).ConfigureAwait(false);
        await transaction.CommitAsync(cancel).ConfigureAwait(false);
        return true;
    });

    /// <summary>Checks that the tables are there and are of this configuration.</summary>
    /// <exception cref="InputException">They are not.</exception>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal Task CheckAsync(int partitions, CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync(cancel).ConfigureAwait(false);
        try
        {
            await RequireAsync(connection, partitions, cancel).ConfigureAwait(false);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UndefinedTable)
        {
            throw new InputException($"Database '{_options.Database}' has no tables of edge-cluster. Run edge-cluster init.", e);
        }

        return true;
    });

    /// <summary>Takes a partition: from now on, a commit of the worker that held it before fails.</summary>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal Task<TakenPartition> TakeAsync(int partition, string owner, CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync(cancel).ConfigureAwait(false);
        (long Epoch, long Batch, DateTime Newest) taken;
        await using (var take = new NpgsqlCommand(
            "UPDATE edge_partition SET epoch = epoch + 1, owner = $2, taken = now() WHERE id = $1 RETURNING epoch, batch, newest_ticks",
            connection))
        {
            take.Parameters.Add(new() { Value = partition });
            take.Parameters.Add(new() { Value = owner });
            await using NpgsqlDataReader row = await take.ExecuteReaderAsync(cancel).ConfigureAwait(false);
            if (!await row.ReadAsync(cancel).ConfigureAwait(false))
            {
                throw new InputException($"Database '{_options.Database}' has no partition {partition}. Run edge-cluster init.");
            }

            taken = (row.GetInt64(0), row.GetInt64(1), new DateTime(row.GetInt64(2), DateTimeKind.Utc));
        }

        var unpublished = new List<byte[]>();
        await using var read = new NpgsqlCommand("SELECT messages FROM edge_outbox WHERE partition = $1 ORDER BY batch", connection);
        read.Parameters.Add(new() { Value = partition });
        await using NpgsqlDataReader blocks = await read.ExecuteReaderAsync(cancel).ConfigureAwait(false);
        while (await blocks.ReadAsync(cancel).ConfigureAwait(false))
        {
            unpublished.Add(blocks.GetFieldValue<byte[]>(0));
        }

        return new TakenPartition(taken.Epoch, taken.Batch, taken.Newest, unpublished);
    });

    /// <summary>Loads streams; those that are new are not in the result.</summary>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal Task<IReadOnlyList<StoredState>> LoadAsync(
        IReadOnlyCollection<string> keys, CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlCommand load = _source.CreateCommand(
            "SELECT key, seq, row_ticks, row_number, state, tail FROM edge_stream WHERE key = ANY($1)");
        load.Parameters.Add(new() { Value = keys.ToArray() });
        await using NpgsqlDataReader rows = await load.ExecuteReaderAsync(cancel).ConfigureAwait(false);
        var loaded = new List<StoredState>(keys.Count);
        while (await rows.ReadAsync(cancel).ConfigureAwait(false))
        {
            loaded.Add(new StoredState(
                rows.GetString(0), rows.GetInt64(1), rows.GetInt64(1), new DateTime(rows.GetInt64(2), DateTimeKind.Utc), rows.GetInt64(3),
                rows.GetFieldValue<byte[]>(4), rows.GetFieldValue<byte[]>(5)));
        }

        return (IReadOnlyList<StoredState>)loaded;
    });

    /// <summary>Commits a batch, and forgets the messages of batches that are published, in one transaction.</summary>
    /// <param name="batch">What to commit.</param>
    /// <param name="cancel">Stops; then it may be committed or not.</param>
    /// <exception cref="PartitionLostException">
    /// Another worker has taken the partition, or one of its streams; nothing is committed.
    /// </exception>
    /// <exception cref="OutageException">The database cannot be used; it may be committed or not.</exception>
    internal Task CommitAsync(BatchCommit batch, CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync(cancel).ConfigureAwait(false);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel).ConfigureAwait(false);
        await using var commands = new NpgsqlBatch(connection, transaction);
        NpgsqlBatchCommand fence = Add(
            commands,
            """
            UPDATE edge_partition SET batch = $3, row_count = row_count + $4, newest_ticks = greatest(newest_ticks, $5), committed = now()
            WHERE id = $1 AND epoch = $2
            """,
            batch.Partition, batch.Epoch, batch.Batch, batch.Rows, batch.NewestRow.Ticks);
        NpgsqlBatchCommand states = Add(
            commands,
            """
            INSERT INTO edge_stream AS stored (partition, key, seq_before, seq, row_ticks, row_number, state, tail)
            SELECT $1, each.* FROM unnest($2, $3, $4, $5, $6, $7, $8) AS each
            ON CONFLICT (key) DO UPDATE SET partition = excluded.partition, seq_before = excluded.seq_before, seq = excluded.seq,
                row_ticks = excluded.row_ticks, row_number = excluded.row_number, tail = excluded.tail,
                state = CASE WHEN excluded.state = '' THEN stored.state ELSE excluded.state END
            WHERE stored.seq = excluded.seq_before
            """,
            batch.Partition,
            batch.States.Select(state => state.Key).ToArray(),
            batch.States.Select(state => state.SeqBefore).ToArray(),
            batch.States.Select(state => state.Seq).ToArray(),
            batch.States.Select(state => state.Time.Ticks).ToArray(),
            batch.States.Select(state => state.Number).ToArray(),
            batch.States.Select(state => state.State).ToArray(),
            batch.States.Select(state => state.Tail).ToArray());
        if (batch.Messages.Length > 0)
        {
            Add(
                commands, "INSERT INTO edge_outbox (partition, batch, messages) VALUES ($1, $2, $3)",
                batch.Partition, batch.Batch, batch.Messages);
        }

        Add(commands, "DELETE FROM edge_outbox WHERE partition = $1 AND batch <= $2", batch.Partition, batch.Published);
        await commands.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
        if (fence.RecordsAffected != 1 || states.RecordsAffected != batch.States.Count)
        {
            throw new PartitionLostException(
                fence.RecordsAffected != 1
                    ? $"Partition {batch.Partition} was taken by another worker"
                    : $"A stream of partition {batch.Partition} was stored by another worker");
        }

        await transaction.CommitAsync(cancel).ConfigureAwait(false);
        return true;
    });

    /// <summary>Forgets the messages of batches that are published.</summary>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal Task ForgetAsync(int partition, long published, CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlCommand forget = _source.CreateCommand("DELETE FROM edge_outbox WHERE partition = $1 AND batch <= $2");
        forget.Parameters.Add(new() { Value = partition });
        forget.Parameters.Add(new() { Value = published });
        return await forget.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
    });

    /// <summary>Who holds what.</summary>
    /// <exception cref="OutageException">The database cannot be used.</exception>
    internal Task<(IReadOnlyList<PartitionStatus> Partitions, long Streams)> StatusAsync(CancellationToken cancel) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync(cancel).ConfigureAwait(false);
        var partitions = new List<PartitionStatus>();
        await using (var read = new NpgsqlCommand(
            """
            SELECT id, epoch, owner, newest_ticks, row_count,
                (SELECT count(*) FROM edge_outbox WHERE partition = id), (SELECT count(*) FROM edge_stream WHERE partition = id)
            FROM edge_partition ORDER BY id
            """,
            connection))
        {
            await using NpgsqlDataReader row = await read.ExecuteReaderAsync(cancel).ConfigureAwait(false);
            while (await row.ReadAsync(cancel).ConfigureAwait(false))
            {
                partitions.Add(new PartitionStatus(
                    row.GetInt32(0),
                    row.GetInt64(1),
                    row.IsDBNull(2) ? null : row.GetString(2),
                    new DateTime(row.GetInt64(3), DateTimeKind.Utc),
                    row.GetInt64(4),
                    row.GetInt64(5),
                    row.GetInt64(6)));
            }
        }

        return ((IReadOnlyList<PartitionStatus>)partitions, partitions.Sum(partition => partition.Streams));
    });

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static NpgsqlBatchCommand Add(NpgsqlBatch batch, string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (object value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        batch.BatchCommands.Add(command);
        return command;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
    }

    private async Task RequireAsync(NpgsqlConnection connection, int partitions, CancellationToken cancel)
    {
        await using var read = new NpgsqlCommand("SELECT version, partitions FROM edge_cluster", connection);
        await using NpgsqlDataReader row = await read.ExecuteReaderAsync(cancel).ConfigureAwait(false);
        if (!await row.ReadAsync(cancel).ConfigureAwait(false))
        {
            throw new InputException($"Database '{_options.Database}' has no tables of edge-cluster. Run edge-cluster init.");
        }

        if (row.GetInt32(0) != SchemaVersion)
        {
            throw new InputException(
                $"The tables of database '{_options.Database}' are of version {row.GetInt32(0)}, and this program knows version "
                    + $"{SchemaVersion}. Use the edge-cluster that made them.");
        }

        if (row.GetInt32(1) != partitions)
        {
            throw new InputException(
                $"The tables of database '{_options.Database}' are made for {row.GetInt32(1)} partitions, and 'partitions' is "
                    + $"{partitions}. Streams cannot move to other partitions: set the old number.");
        }
    }

    private async Task<T> GuardAsync<T>(Func<Task<T>> action)
    {
        try
        {
            return await action().ConfigureAwait(false);
        }
        catch (NpgsqlException e) when (e.InnerException is AuthenticationException && _certificate?.Problem is { } problem)
        {
            throw new OutageException($"PostgreSQL at {_options.Host}:{_options.Port} {problem}; nothing was sent to it.", e);
        }
        catch (Exception e) when (e is NpgsqlException or SocketException or TimeoutException or IOException)
        {
            throw new OutageException($"PostgreSQL at {_options.Host}:{_options.Port} cannot be used: {Reason(e)}.", e);
        }
    }

    private string Reason(Exception e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } =>
            $"it refuses the user '{_options.Username}' or its password; check postgresql.username and postgresql.password",
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } => "its disk is full; rows wait at the broker until there is space",
        { InnerException: null } when _options.Tls is not null && e.Message.StartsWith(NoTls, StringComparison.Ordinal) =>
            "it takes no encrypted connections; set ssl = on there, or remove postgresql.tls",
        PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedColumn } =>
            $"database '{_options.Database}' lacks a table or a column; run edge-cluster init",
        PostgresException refused => PrintableText.Of(refused.MessageText, 200).TrimEnd('.'),
        { InnerException: SocketException socket } => socket.Message.TrimEnd('.'),
        _ => PrintableText.Of(e.Message, 200).TrimEnd('.'),
    };
}
