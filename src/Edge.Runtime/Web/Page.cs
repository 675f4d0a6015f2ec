using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Control;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Web;

/// <summary>
/// Answers the requests of the page: its files, what the streams show, live events, and the commands of a person. docs/page.md.
/// </summary>
internal sealed class Page : IDisposable
{
    private const int PointsMax = 2000;
    private const int QueriesMax = 2;
    private static readonly TimeSpan SummaryAge = TimeSpan.FromMilliseconds(900);
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(300);

    // The list of streams and the service come with every sixth look.
    private const int SummaryEvery = 6;

    // What a person may do here. Each is a command that MQTT has, too.
    private static readonly CommandName[] Actions =
        [CommandName.Accept, CommandName.Label, CommandName.Silence, CommandName.Reset, CommandName.Rollback];

    private readonly PageSource _source;
    private readonly Access _access;
    private readonly TelemetryAnswers _telemetry;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly PageFiles _files = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly EventStream _events;
    private readonly SemaphoreSlim _acting = new(1, 1);
    private readonly SemaphoreSlim _querying = new(QueriesMax, QueriesMax);
    private readonly Lock _gate = new();
    private byte[] _summary = [];
    private long _summaryAt;

    /// <param name="source">What the service gives to it.</param>
    /// <param name="access">Who may look and who may act.</param>
    /// <param name="telemetry">Answers /metrics and /health.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Every command.</param>
    internal Page(PageSource source, Access access, TelemetryAnswers telemetry, TimeProvider clock, ILogger log)
    {
        _source = source;
        _access = access;
        _telemetry = telemetry;
        _clock = clock;
        _log = log;
        _events = new EventStream(clock, _stop.Token);
    }

    /// <summary>Ends what is being sent.</summary>
    internal void Stop() => _stop.Cancel();

    /// <summary>Call it when the server has stopped.</summary>
    public void Dispose()
    {
        _access.Dispose();
        _acting.Dispose();
        _querying.Dispose();
        _stop.Dispose();
    }

    internal async Task AnswerAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        bool isPost = HttpMethods.IsPost(request.Method);
        if (!isPost && !HttpMethods.IsGet(request.Method))
        {
            await Response.SayAsync(context, StatusCodes.Status405MethodNotAllowed, "GET and POST only.").ConfigureAwait(false);
            return;
        }

        if (!isPost && _files.TryAnswer(context) is { } file)
        {
            await file.ConfigureAwait(false);
            return;
        }

        bool isKnown = await _access.IsKnownAsync(context).ConfigureAwait(false);
        await (isPost ? PostAsync(context, isKnown) : GetAsync(context, isKnown)).ConfigureAwait(false);
    }

    private Task GetAsync(HttpContext context, bool isKnown)
    {
        if (!isKnown && !_access.IsOpen)
        {
            return Response.SayAsync(context, StatusCodes.Status401Unauthorized, "The password is needed.");
        }

        return _telemetry.TryAnswer(context) ?? context.Request.Path.Value switch
        {
            "/api/device" => Response.ObjectAsync(context, StatusCodes.Status200OK, json => WriteDevice(json, isKnown)),
            "/api/stream" => WithStream(
                context, view => Response.ObjectAsync(context, StatusCodes.Status200OK, json => StreamJson.WriteCard(json, view))),
            "/api/rows" => WithStream(context, view => RowsAsync(context, view)),
            "/api/live" => LiveAsync(context),
            _ => Response.SayAsync(context, StatusCodes.Status404NotFound, "There is no such page."),
        };
    }

    private Task PostAsync(HttpContext context, bool isKnown)
    {
        if (!Access.IsSameOrigin(context.Request))
        {
            return Response.SayAsync(context, StatusCodes.Status403Forbidden, "Another site's page may not act here.");
        }

        string path = context.Request.Path.Value ?? "";
        if (path == "/api/login")
        {
            return _access.AnswerLogInAsync(context, _log);
        }

        if (!_access.CanAct)
        {
            return Response.SayAsync(
                context, StatusCodes.Status403Forbidden, "This page only shows. Set 'password' under 'web' in edge.yaml to act here.");
        }

        if (!isKnown)
        {
            return Response.SayAsync(context, StatusCodes.Status401Unauthorized, "The password is needed.");
        }

        const string Command = "/api/command/";
        switch (path)
        {
            case "/api/logout":
                _access.LogOut(context);
                return Response.SayAsync(context, StatusCodes.Status200OK, "Logged out.");
            case "/api/model":
                return OfferAsync(context);
            case not null when path.StartsWith(Command, StringComparison.Ordinal)
                && Array.FindIndex(Actions, name => CommandChannel.Text(name) == path[Command.Length..]) is >= 0 and var at:
                return ActAsync(context, Actions[at]);
            default:
                return Response.SayAsync(context, StatusCodes.Status404NotFound, "There is no such command.");
        }
    }

    // One at a time, as over MQTT.
    private async Task ActAsync(HttpContext context, CommandName name)
    {
        if (await Response.ReadAsync(context, CommandRequest.PayloadMaxBytes).ConfigureAwait(false) is not { } payload)
        {
            return;
        }

        await AnswerAsync(context, CommandChannel.Text(name), async () =>
        {
            var request = CommandRequest.Parse(name, payload, [.. _source.Streams.Select(view => view.Stream.Name)]);
            return (await _source.Execute(request).ConfigureAwait(false)).Said;
        }).ConfigureAwait(false);
    }

    private async Task OfferAsync(HttpContext context)
    {
        if (_source.Offer is not { } offer)
        {
            await Response.SayAsync(
                context, StatusCodes.Status403Forbidden, "New models are not accepted: edge.yaml has no 'models'.").ConfigureAwait(false);
            return;
        }

        if (_source.Find(context.Request.Query["stream"]) is not { } view)
        {
            await NoStreamAsync(context).ConfigureAwait(false);
            return;
        }

        if (await Response.ReadAsync(context, ModelAssembly.ModelMaxBytes).ConfigureAwait(false) is { } file)
        {
            string? signature = context.Request.Headers["X-Edge-Signature"];
            await AnswerAsync(
                context,
                "update",
                () => offer(view.Stream.Name, file, string.IsNullOrWhiteSpace(signature) ? null : signature.Trim())).ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(HttpContext context, string command, Func<Task<string>> act)
    {
        bool isDone = false;
        string said;
        await _acting.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            said = await act().ConfigureAwait(false);
            isDone = true;
        }
        catch (InputException e)
        {
            said = e.Message;
        }
        finally
        {
            _acting.Release();
        }

        _log.Log(
            isDone ? LogLevel.Information : LogLevel.Warning,
            "Command {Command} from the page, by {Address}: {Said}",
            command,
            context.Connection.RemoteIpAddress,
            said);
        await Response.SayAsync(
            context, isDone ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest, said).ConfigureAwait(false);
    }

    private async Task RowsAsync(HttpContext context, StreamView view)
    {
        IQueryCollection query = context.Request.Query;
        if (!TryRead(query["from"], out long from) || !TryRead(query["to"], out long to) || from >= to)
        {
            await Response.SayAsync(
                context,
                StatusCodes.Status400BadRequest,
                "'from' and 'to' must be times in ms since 1970, 'from' before 'to'.").ConfigureAwait(false);
            return;
        }

        int wanted = TryRead(query["points"], out long points) ? (int)Math.Clamp(points, 10, PointsMax) : PointsMax;
        await _querying.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            (long next, long nextEvent) = (view.Points.Written, view.EventCount);
            Series rows = StoredSeries.Read(_source.History, view, from, to, wanted);
            IEnumerable<PageEvent> events = StoredSeries.Events(_source.History, view, from, to);
            await Response.ObjectAsync(context, StatusCodes.Status200OK, json =>
            {
                json.WriteNumber("next", next);
                json.WriteNumber("next_event", nextEvent);
                rows.Write(json);
                StreamJson.WriteEvents(json, events);
            }).ConfigureAwait(false);
        }
        catch (InputException e)
        {
            await Response.SayAsync(context, StatusCodes.Status503ServiceUnavailable, e.Message).ConfigureAwait(false);
        }
        finally
        {
            _querying.Release();
        }
    }

    private async Task LiveAsync(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        StreamView? view = _source.Find(query["stream"]);
        int? layer = TryRead(query["cell"], out long number) ? (int)Math.Clamp(number, 0, int.MaxValue) : null;
        long points = TryRead(query["next"], out long next) ? next : view?.Points.Written ?? 0;
        long events = TryRead(query["next_event"], out long nextEvent) ? nextEvent : view?.EventCount ?? 0;
        long frames = 0;
        bool isWatching = view is not null && layer is not null && view.BeginCell();
        try
        {
            await _events.RunAsync(context, Every, (to, look) =>
            {
                if (look % SummaryEvery == 0)
                {
                    EventStream.Write(to, "device"u8, Summary());
                }

                if (view is not null)
                {
                    (points, events) = WritePoints(to, view, points, events, look == 0);
                }

                if (isWatching && view!.Cell is { } cell && cell.Written != frames)
                {
                    (CellFrame[] newFrames, frames) = cell.Read(frames);
                    EventStream.Write(to, "cell"u8, json => StreamJson.WriteCell(json, newFrames, layer!.Value));
                }
            }).ConfigureAwait(false);
        }
        finally
        {
            if (isWatching)
            {
                view!.EndCell();
            }
        }
    }

    private static (long Points, long Events) WritePoints(PipeWriter to, StreamView view, long points, long events, bool isFirst)
    {
        long written = view.Points.Written;
        if (written == points && !isFirst)
        {
            return (points, events);
        }

        (Series series, long next) = view.Points.Read(points);
        (PageEvent[] newEvents, long nextEvent) = view.Events(events);
        EventStream.Write(to, "points"u8, json =>
        {
            // Points that were overwritten before this client took them: it asks for the rows again.
            json.WriteBoolean("gap", points < next - view.Points.Capacity + 1 || points > next);
            json.WriteNumber("next", next);
            json.WriteNumber("next_event", nextEvent);
            series.Write(json);
            StreamJson.WriteEvents(json, newEvents);
            StreamJson.WriteNow(json, view);
        });
        return (next, nextEvent);
    }

    // The same for all clients, made about once a second.
    private byte[] Summary()
    {
        lock (_gate)
        {
            if (_summary.Length == 0 || _clock.GetElapsedTime(_summaryAt) >= SummaryAge)
            {
                using var bytes = new MemoryStream();
                using (var json = new Utf8JsonWriter(bytes))
                {
                    json.WriteStartObject();
                    WriteStreams(json);
                    json.WriteEndObject();
                }

                _summary = bytes.ToArray();
                _summaryAt = _clock.GetTimestamp();
            }

            return _summary;
        }
    }

    private void WriteDevice(Utf8JsonWriter json, bool isKnown)
    {
        json.WriteString("device", _source.Device);
        json.WriteBoolean("can_act", _access.CanAct);
        json.WriteBoolean("logged_in", isKnown);
        json.WriteStartArray("commands");
        foreach (CommandName name in Actions.Where(name => name != CommandName.Label || _source.History is not null))
        {
            json.WriteStringValue(CommandChannel.Text(name));
        }

        json.WriteEndArray();
        json.WriteBoolean("models", _source.Offer is not null);
        json.WriteBoolean("needs_signature", _source.NeedsSignature);
        WriteStreams(json);
    }

    private void WriteStreams(Utf8JsonWriter json)
    {
        json.WriteNumber("now", _clock.GetUtcNow().ToUnixTimeMilliseconds());
        json.WriteStartArray("streams");
        foreach (StreamView view in _source.Streams)
        {
            StreamJson.WriteSummary(json, view, _source.IsOnline(view.Stream.Name));
        }

        json.WriteEndArray();
        json.WriteStartObject("service");
        _source.WriteService(json);
        json.WriteEndObject();
    }

    private Task WithStream(HttpContext context, Func<StreamView, Task> answer) =>
        _source.Find(context.Request.Query["name"]) is { } view ? answer(view) : NoStreamAsync(context);

    private Task NoStreamAsync(HttpContext context) => Response.SayAsync(
        context,
        StatusCodes.Status404NotFound,
        $"There is no such stream. Streams: {string.Join(", ", _source.Streams.Select(view => view.Stream.Name))}.");

    private static bool TryRead(string? text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
}
