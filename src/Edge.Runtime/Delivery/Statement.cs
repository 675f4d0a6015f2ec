using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Edge.Runtime.Delivery;

/// <summary>
/// A statement that every tick runs, with its values bound by position, counted from 1. <see cref="SqliteCommand"/> binds by
/// name and allocates an object per value, which would be a large part of the cost of a tick.
/// </summary>
internal sealed class Statement : IDisposable
{
    private readonly sqlite3 _connection;
    private readonly sqlite3_stmt _statement;

    /// <exception cref="SqliteException">The text is not a valid statement for this schema.</exception>
    internal Statement(SqliteConnection connection, string text)
    {
        _connection = connection.Handle!;
        Check(raw.sqlite3_prepare_v2(_connection, text, out _statement));
    }

    /// <param name="place">Position, from 1.</param>
    /// <param name="value">Null for NULL.</param>
    internal void Bind(int place, long? value) =>
        Check(value is { } number ? raw.sqlite3_bind_int64(_statement, place, number) : raw.sqlite3_bind_null(_statement, place));

    internal void Bind(int place, ReadOnlySpan<byte> value) =>
        Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(_statement, place, 0) : raw.sqlite3_bind_blob(_statement, place, value));

    /// <param name="place">Position, from 1.</param>
    /// <param name="value">Null for NULL.</param>
    internal void Bind(int place, string? value)
    {
        if (value is null)
        {
            Check(raw.sqlite3_bind_null(_statement, place));
            return;
        }

        const int OnStack = 256;
        int most = Encoding.UTF8.GetMaxByteCount(value.Length);
        Span<byte> utf8 = most <= OnStack ? stackalloc byte[OnStack] : new byte[most];
        Check(raw.sqlite3_bind_text(_statement, place, utf8[..Encoding.UTF8.GetBytes(value, utf8)]));
    }

    /// <summary>Runs the statement to completion.</summary>
    /// <exception cref="SqliteException">It failed. It can be run again.</exception>
    internal void Run()
    {
        int code = raw.sqlite3_step(_statement);

        // Returns the error of the step again, if there was one.
        raw.sqlite3_reset(_statement);
        if (code != raw.SQLITE_DONE)
        {
            Check(code);
        }
    }

    public void Dispose() => _statement.Dispose();

    private void Check(int code) => SqliteException.ThrowExceptionForRC(code, _connection);
}
