using System.Globalization;
using Edge.Inference;
using Edge.Streams;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Edge.Runtime.Commands;

/// <summary>Shows the demo: a live view in a terminal, or one line per second without a terminal.</summary>
internal static class DemoView
{
    private const string Bars = "▁▂▃▄▅▆▇█";

    // A bar for every third reading keeps the table within 80 columns.
    private const int SparklineEvery = 3;
    private static readonly TimeSpan LiveEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(1);

    /// <summary>Shows what <paramref name="watch"/> sees until <paramref name="running"/> ends.</summary>
    internal static Task ShowAsync(DemoWatch watch, Task running, TextWriter output) =>
        Console.IsOutputRedirected || output != Console.Out ? ShowLinesAsync(watch, running, output) : ShowLiveAsync(watch, running);

    private static string PageLine(DemoWatch watch) =>
        $"Open {watch.Page} in a browser; to act there, the password is {DemoScenario.Password}";

    private static string WatchLine(int port) => $"mosquitto_sub -V 5 -h 127.0.0.1 -p {port} -t 'edge/#' -v";

    private static async Task ShowLinesAsync(DemoWatch watch, Task running, TextWriter output)
    {
        await output.WriteLineAsync(PageLine(watch)).ConfigureAwait(false);
        await output.WriteLineAsync($"Watch it from another terminal: {WatchLine(watch.Port)}").ConfigureAwait(false);
        int told = 0;
        while (await Task.WhenAny(running, Task.Delay(LineEvery)).ConfigureAwait(false) != running)
        {
            if (watch.Snapshot is not { } now)
            {
                continue;
            }

            string channels = string.Join(
                "  ",
                now.Channels.Select(channel => $"{channel.Name} {Reading(channel.Actual)} (expected {Number(channel.Expected)})"));
            await output.WriteLineAsync(
                $"{watch.Elapsed.TotalSeconds,4:0} s  {channels}  score {Number(now.Score)}  "
                    + $"{Quantity.Of(watch.Delivered, "message")}{(now.IsAnomalous ? "  ANOMALY" : "")}").ConfigureAwait(false);
            for (; told < watch.Anomalies && now.Events.Length > 0; told++)
            {
                await output.WriteLineAsync($"        {now.Events[^1]}").ConfigureAwait(false);
            }
        }
    }

    private static Task ShowLiveAsync(DemoWatch watch, Task running) => AnsiConsole
        .Live(new Text("Starting …"))
        .AutoClear(true)
        .StartAsync(async live =>
        {
            while (await Task.WhenAny(running, Task.Delay(LiveEvery)).ConfigureAwait(false) != running)
            {
                if (watch.Snapshot is { } now)
                {
                    live.UpdateTarget(Draw(watch, now));
                }
            }
        });

    private static Rows Draw(DemoWatch watch, DemoSnapshot now) => new(
        new Markup(
            $"[bold]Edge runtime demo[/]  device [green]{DemoScenario.Device}[/], stream [green]{DemoScenario.Stream}[/], "
                + $"{watch.Elapsed:mm\\:ss}"),
        Channels(now),
        Verdict(now),
        new Text(""),
        new Rows(
            now.Events.Select(
                line =>
                    (IRenderable)new Text(line, line.Contains("opened", StringComparison.Ordinal) ? new Style(Color.Red) : Style.Plain))),
        new Text(""),
        new Markup($"[bold]{Quantity.Of(watch.Delivered, "message")}[/] delivered, {Quantity.Of(watch.Forecasts, "forecast")} among them"),
        new Markup($"[bold]{Markup.Escape(PageLine(watch))}[/]"),
        new Markup("Watch it from another terminal:"),
        new Markup($"  [cyan]{Markup.Escape(WatchLine(watch.Port))}[/]"),
        new Markup("[grey]Ctrl-C ends it.[/]"));

    private static Table Channels(DemoSnapshot now)
    {
        double ahead = now.Channels[0].AheadSeconds;
        Table table = new Table().Border(TableBorder.Rounded)
            .AddColumn("channel")
            .AddColumn(new TableColumn("reading").RightAligned())
            .AddColumn(new TableColumn("expected").RightAligned())
            .AddColumn(new TableColumn("residual").RightAligned())
            .AddColumn(new TableColumn(string.Create(CultureInfo.InvariantCulture, $"in {ahead:0.##} s")).RightAligned())
            .AddColumn("the last 8 s");
        foreach (ChannelSnapshot channel in now.Channels)
        {
            string unit = double.IsNaN(channel.Actual) ? "" : $" {channel.Unit}";
            table.AddRow(
                new Text(channel.Name),
                new Text(Reading(channel.Actual) + unit, channel.Quality == Quality.Good ? Style.Plain : new Style(Color.Red)),
                new Text(Number(channel.Expected)),
                new Text(Number(channel.Actual - channel.Expected)),
                new Text($"{Number(channel.Ahead)} ± {Number(channel.HalfWidth)}"),
                new Text(Sparkline(channel.Recent)));
        }

        return table;
    }

    private static Markup Verdict(DemoSnapshot now)
    {
        string score = $"score {Number(now.Score)}, abnormal from 1 on";
        return new Markup(now.IsAnomalous ? $"[white on red] ANOMALY [/] {score}" : $"[black on green] normal [/] {score}");
    }

    /// <summary>A bar for every third reading, nothing where there was none.</summary>
    internal static string Sparkline(double[] values)
    {
        double[] there = [.. values.Where(double.IsFinite).DefaultIfEmpty()];
        double low = there.Min();
        double span = Math.Max(there.Max() - low, 1e-9);
        return string.Concat(
            values.Where((_, at) => at % SparklineEvery == 0)
                .Select(value => double.IsNaN(value) ? ' ' : Bars[(int)Math.Round((value - low) / span * (Bars.Length - 1))]));
    }

    private static string Reading(double value) => double.IsNaN(value) ? "no value" : Number(value);

    private static string Number(double value) => double.IsNaN(value) ? "-" : Math.Abs(value) switch
    {
        >= 100 => value.ToString("0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("0.00", CultureInfo.InvariantCulture),
    };
}
