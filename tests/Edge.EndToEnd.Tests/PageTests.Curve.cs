using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Edge.Testing;
using Microsoft.Playwright;

namespace Edge.EndToEnd.Tests;

/// <summary>The curve: stored rows, and what comes live after them.</summary>
public sealed partial class PageTests
{
    [BrowserFact]
    public async Task What_a_tick_brings_is_seen_at_once_and_a_reload_keeps_the_curve()
    {
        IPage page = await _browser.OpenAsync(Address);
        await UntilAsync(page, $"Number({Newest}.seq) > 20");
        long seq = long.Parse(await page.EvaluateAsync<string>($"{Newest}.seq"), CultureInfo.InvariantCulture);
        await UntilAsync(page, $"Number({Newest}.seq) > {seq} && Date.now() - Number({Newest}.t) < 10_000");
        await UntilAsync(page, "Number(document.querySelector('.curves')?.dataset.points) > 30");
        int points = await PointsAsync(page);
        string from = await page.EvaluateAsync<string>("document.querySelector('.curves').dataset.from");
        await page.ReloadAsync();
        await UntilAsync(page, $"Number(document.querySelector('.curves')?.dataset.points) >= {points}");
        Assert.Equal(from, await page.EvaluateAsync<string>("document.querySelector('.curves').dataset.from"));
        Assert.Empty(_browser.Faults);
    }

    [BrowserFact]
    public async Task A_curve_whose_rows_were_refused_is_drawn_when_they_come()
    {
        IPage page = await _browser.OpenAsync(Address, expected: "503");
        bool refuses = true;
        await page.RouteAsync("**/api/rows?*", async route =>
        {
            // The page that is left behind may ask for rows, too: not the first request is refused but all until the sentence is there.
            if (Volatile.Read(ref refuses))
            {
                await route.FulfillAsync(new RouteFulfillOptions { Status = 503, Body = """{"message":"The history is in use."}""" });
            }
            else
            {
                await route.ContinueAsync();
            }
        });
        await page.ReloadAsync();
        await page.GetByText("The history is in use.").WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Attached });
        Volatile.Write(ref refuses, false);
        await SeenAsync(Mark(page));
        Assert.Empty(_browser.Faults);
    }

    // Between the answer of /api/rows and the first live message an anomaly may close.
    [BrowserFact]
    public async Task Live_messages_continue_where_the_rows_end_and_no_event_is_lost_between_the_two()
    {
        IPage page = await _browser.OpenAsync(Address);
        await MarkAsync(page);
        using var client = new HttpClient();
        using JsonDocument rows = JsonDocument.Parse(await client.GetStringAsync($"{Address}api/rows?name=climate&from=0&to=1"));
        long next = rows.RootElement.GetProperty("next_event").GetInt64();
        Assert.InRange(next, 1, 100);
        Assert.NotEmpty((await FirstPointsAsync(client, nextEvent: 0)).GetProperty("events").EnumerateArray());
        JsonElement later = await FirstPointsAsync(client, nextEvent: next);
        Assert.Equal(later.GetProperty("next_event").GetInt64() - next, later.GetProperty("events").GetArrayLength());
    }

    [BrowserFact]
    public async Task A_service_that_is_killed_and_started_again_has_its_curve_and_its_events()
    {
        IPage page = await _browser.OpenAsync(Address, expected: "net::ERR");
        await SeenAsync(Mark(page));
        await page.Locator(".events", new PageLocatorOptions { HasText = "Back to normal" }).WaitForAsync();
        string from = await page.EvaluateAsync<string>("document.querySelector('.curves').dataset.from");
        string seq = await page.EvaluateAsync<string>($"{Newest}.seq");
        _run.Kill();
        await page.Locator("#lost").WaitForAsync();
        await UntilAsync(page, LongAgo);
        _run.Dispose();
        _run = RuntimeProcess.Start("run", "--config", _folder.File("edge.yaml"));
        await UntilAsync(page, $"document.querySelector('#lost').hidden && Number({Newest}.seq) > {seq} + 20");
        Assert.Equal(from, await page.EvaluateAsync<string>("document.querySelector('.curves').dataset.from"));
        Assert.Contains("Back to normal", await page.Locator(".events").InnerTextAsync(), StringComparison.Ordinal);

        // The mark is on the curve of its channel, the anomaly is counted, and where no row came there is no line.
        await SeenAsync(Mark(page));
        Assert.Matches(@", \d+, [1-9]\d*$", await page.Locator("dt:text-is('ticks, lost ticks, anomalies') + dd").InnerTextAsync());
        await UntilAsync(page, "Number(document.querySelector('.curves')?.dataset.breaks) > 0");
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Browser.Pictures, "page-restarted.png") });
        Assert.Empty(_browser.Faults);
    }

    // As without power: the connection stays open, and nothing comes.
    [BrowserFact]
    public async Task A_device_that_falls_silent_is_lost_and_comes_back()
    {
        IPage page = await _browser.OpenAsync(Address);
        await page.Clock.InstallAsync();
        await page.ReloadAsync();
        await UntilAsync(page, $"Number({Newest}.seq) > 20");
        _run.Freeze();
        await page.Clock.FastForwardAsync("00:20");
        await page.Locator("#lost").WaitForAsync();
        string seq = await page.EvaluateAsync<string>($"{Newest}.seq");
        _run.Thaw();
        await UntilAsync(page, $"document.querySelector('#lost').hidden && Number({Newest}.seq) > {seq} + 20");
        Assert.Empty(_browser.Faults);
    }

    // The page asks for the stored rows when the service serves it again, and before its first tick.
    [BrowserFact]
    public async Task Where_no_row_came_there_is_no_line_though_the_page_was_loaded_before_the_first_new_row()
    {
        IPage page = await _browser.OpenAsync(Address, expected: "net::ERR");
        await UntilAsync(page, $"Number({Newest}.seq) > 100");
        _run.Kill();
        await page.Locator("#lost").WaitForAsync();
        await UntilAsync(page, LongAgo);
        long last = long.Parse(await page.EvaluateAsync<string>($"{Newest}.t"), CultureInfo.InvariantCulture);
        long seq = long.Parse(await page.EvaluateAsync<string>($"{Newest}.seq"), CultureInfo.InvariantCulture);
        bool isAnswered = false;
        await page.RouteAsync("**/api/rows?*", async route =>
        {
            if (isAnswered)
            {
                await route.ContinueAsync();
            }
            else if (await AnswerAsync(route) is { } response)
            {
                isAnswered = true;
                string rows = BeforeFirstTick(JsonNode.Parse(await response.TextAsync())!.AsObject(), last);
                await route.FulfillAsync(new RouteFulfillOptions { Response = response, Body = rows });
            }
            else
            {
                await route.AbortAsync();
            }
        });
        _run.Dispose();
        _run = RuntimeProcess.Start("run", "--config", _folder.File("edge.yaml"));
        await UntilAsync(page, $"Number({Newest}.seq) > {seq + 20}");
        await UntilAsync(page, "Number(document.querySelector('.curves')?.dataset.breaks) > 0");
        Assert.True(isAnswered);
        Assert.Empty(_browser.Faults);
    }

    private async Task<JsonElement> FirstPointsAsync(HttpClient client, long nextEvent)
    {
        using Stream live = await client.GetStreamAsync($"{Address}api/live?stream=climate&next=0&next_event={nextEvent}");
        using var lines = new StreamReader(live);
        while (await lines.ReadLineAsync() is { } line)
        {
            if (line == "event: points")
            {
                return JsonDocument.Parse((await lines.ReadLineAsync())!["data: ".Length..]).RootElement;
            }
        }

        throw new EndOfStreamException("The service sent no points.");
    }

    private static async Task<int> PointsAsync(IPage page) => int.Parse(
        await page.EvaluateAsync<string>("document.querySelector('.curves').dataset.points"), CultureInfo.InvariantCulture);

    // Null while the service does not answer.
    private static async Task<IAPIResponse?> AnswerAsync(IRoute route)
    {
        try
        {
            return await route.FetchAsync();
        }
        catch (PlaywrightException)
        {
            return null;
        }
    }

    // What the service answers while its memory holds no point: the rows up to a time.
    private static string BeforeFirstTick(JsonObject rows, long last)
    {
        int count = rows["t"]!.AsArray().Count(time => (long)time! <= last);
        rows["next"] = 0;
        IEnumerable<JsonNode?> ofColumns = new[] { "v", "min", "max", "low", "high" }.SelectMany(name => rows[name]?.AsArray() ?? []);
        foreach (JsonArray values in ofColumns.Concat([rows["t"], rows["score"]]).Select(each => each!.AsArray()))
        {
            while (values.Count > count)
            {
                values.RemoveAt(count);
            }
        }

        JsonArray quality = rows["q"]!.AsArray();
        for (int column = 0; column < quality.Count; column++)
        {
            quality[column] = ((string)quality[column]!)[..count];
        }

        return rows.ToJsonString();
    }
}
