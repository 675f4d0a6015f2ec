using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Web;

/// <summary>Answers the requests of the page that shows many devices. It only shows.</summary>
/// <param name="wall">The devices.</param>
/// <param name="broker">Where the broker is.</param>
/// <param name="isConnected">Whether it is connected.</param>
/// <param name="access">Who may look.</param>
/// <param name="clock">Time.</param>
/// <param name="log">Wrong passwords.</param>
internal sealed class WallPage(Wall wall, string broker, Func<bool> isConnected, Access access, TimeProvider clock, ILogger log)
    : IDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DataAge = TimeSpan.FromMilliseconds(900);

    private readonly PageFiles _files = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private EventStream? _events;
    private byte[] _data = [];
    private long _dataAt;

    /// <summary>Ends what is being sent.</summary>
    internal void Stop() => _stop.Cancel();

    /// <summary>Call it when the server has stopped.</summary>
    public void Dispose()
    {
        access.Dispose();
        _stop.Dispose();
    }

    internal async Task AnswerAsync(HttpContext context)
    {
        string? path = context.Request.Path.Value;
        if (HttpMethods.IsPost(context.Request.Method))
        {
            await (path == "/api/login" && Access.IsSameOrigin(context.Request)
                ? access.AnswerLogInAsync(context, log)
                : Response.SayAsync(context, StatusCodes.Status403Forbidden, "This page only shows.")).ConfigureAwait(false);
            return;
        }

        if (!HttpMethods.IsGet(context.Request.Method))
        {
            await Response.SayAsync(context, StatusCodes.Status405MethodNotAllowed, "GET only.").ConfigureAwait(false);
            return;
        }

        if (_files.TryAnswer(context) is { } file)
        {
            await file.ConfigureAwait(false);
            return;
        }

        bool isKnown = await access.IsKnownAsync(context).ConfigureAwait(false);
        await (!isKnown && !access.IsOpen
            ? Response.SayAsync(context, StatusCodes.Status401Unauthorized, "The password is needed.")
            : path switch
            {
                "/api/device" => Response.ObjectAsync(context, StatusCodes.Status200OK, json =>
                {
                    json.WriteBoolean("wall", true);
                    json.WriteString("broker", broker);
                    json.WriteBoolean("logged_in", isKnown);
                }),
                "/api/live" => Events().RunAsync(context, Every, (to, _) => EventStream.Write(to, "wall"u8, Data())),
                _ => Response.SayAsync(context, StatusCodes.Status404NotFound, "There is no such page."),
            }).ConfigureAwait(false);
    }

    private EventStream Events()
    {
        lock (_gate)
        {
            return _events ??= new EventStream(clock, _stop.Token);
        }
    }

    // The same for all clients, made about once a second.
    private byte[] Data()
    {
        lock (_gate)
        {
            if (_data.Length == 0 || clock.GetElapsedTime(_dataAt) >= DataAge)
            {
                using var bytes = new MemoryStream();
                using (var json = new Utf8JsonWriter(bytes))
                {
                    json.WriteStartObject();
                    json.WriteBoolean("connected", isConnected());
                    wall.Write(json);
                    json.WriteEndObject();
                }

                _data = bytes.ToArray();
                _dataAt = clock.GetTimestamp();
            }

            return _data;
        }
    }
}
