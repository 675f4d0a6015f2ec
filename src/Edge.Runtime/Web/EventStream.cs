using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Edge.Runtime.Web;

/// <summary>
/// Server-sent events: what is new, a few times a second, however fast the streams tick. A client that reads slowly gets fewer and
/// larger events; one that reads nothing is closed by the server's limits.
/// </summary>
/// <param name="clock">Time.</param>
/// <param name="stop">Ends all of them.</param>
internal sealed class EventStream(TimeProvider clock, CancellationToken stop)
{
    /// <summary>Most clients at a time.</summary>
    internal const int ClientsMax = 256;

    private int _clients;

    /// <summary>Sends until the client is gone.</summary>
    /// <param name="context">The request.</param>
    /// <param name="every">Time between two looks.</param>
    /// <param name="send">Writes the events that are due; the number of the look is its argument, 0 for the first.</param>
    internal async Task RunAsync(HttpContext context, TimeSpan every, Action<PipeWriter, long> send)
    {
        if (Interlocked.Increment(ref _clients) > ClientsMax)
        {
            Interlocked.Decrement(ref _clients);
            await Response.SayAsync(
                context, StatusCodes.Status503ServiceUnavailable, $"{ClientsMax} pages are open already. Close one.").ConfigureAwait(false);
            return;
        }

        try
        {
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers.CacheControl = "no-store";
            PipeWriter writer = context.Response.BodyWriter;
            for (long look = 0; ; look++)
            {
                send(writer, look);
                await writer.FlushAsync(ended.Token).ConfigureAwait(false);
                await Task.Delay(every, clock, ended.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
        }
    }

    /// <summary>Writes one event whose data is a JSON object.</summary>
    internal static void Write(PipeWriter to, ReadOnlySpan<byte> name, Action<Utf8JsonWriter> write)
    {
        Copy(to, "event: "u8);
        Copy(to, name);
        Copy(to, "\ndata: "u8);
        using (var json = new Utf8JsonWriter(to))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        Copy(to, "\n\n"u8);
    }

    /// <summary>Writes one event whose data is written already.</summary>
    internal static void Write(PipeWriter to, ReadOnlySpan<byte> name, byte[] data)
    {
        Copy(to, "event: "u8);
        Copy(to, name);
        Copy(to, "\ndata: "u8);
        Copy(to, data);
        Copy(to, "\n\n"u8);
    }

    private static void Copy(PipeWriter to, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(to.GetSpan(bytes.Length));
        to.Advance(bytes.Length);
    }
}
