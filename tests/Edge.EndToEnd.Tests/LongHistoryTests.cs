using System.Globalization;
using System.Text.Json;
using Edge.Benchmarks;
using Edge.Runtime.Delivery;
using Edge.Testing;
using Microsoft.Playwright;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// The page of a service with a long history: three days of one stream at 1 Hz, or a year with EDGE_LONG=1, which takes minutes. How long
/// it takes goes to <c>history.txt</c> beside the pictures.
/// </summary>
public sealed class LongHistoryTests : IDisposable
{
    // Notes when rows that were asked for are on the screen.
    private const string Watch = """
        window.drawn = [];
        let isNew = false;
        const ask = window.fetch;
        window.fetch = async (...request) => {
          const answer = await ask(...request);
          const read = answer.json.bind(answer);
          answer.json = async () => {
            const body = await read();
            isNew ||= String(request[0]).startsWith('/api/rows');
            return body;
          };
          return answer;
        };
        new MutationObserver(() => {
          const { from, points } = document.querySelector('.curves')?.dataset ?? {};
          if (isNew && Number(points) > 0) {
            isNew = false;
            const now = { from, points: Number(points), at: null };
            window.drawn.push(now);
            requestAnimationFrame(() => requestAnimationFrame(() => { now.at = performance.now(); }));
          }
        }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-from'] });
        """;

    private static readonly int Days = Environment.GetEnvironmentVariable("EDGE_LONG") == "1" ? 365 : 3;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [BrowserFact]
    public async Task A_long_history_stays_within_its_limits_and_is_drawn_as_a_whole()
    {
        string state = _folder.File("state");
        DateTime start = DateTime.UtcNow.AddDays(-Days);
        StoredYear.Write(state, "climate", start, Days * 86_400L);
        long size = new FileInfo(HistoryFile.PathIn(state)).Length;
        Assert.InRange(size, 1, new HistoryOptions().SizeMaxBytes);

        int port = TestBroker.FreePort();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", _folder.Write("edge.yaml", $$"""
            device: greenhouse
            state: state
            mqtt: { host: 127.0.0.1, port: {{TestBroker.FreePort()}} }
            web: { listen: '127.0.0.1:{{port}}' }
            streams:
              - { name: climate, model: demo, period: 1s, publish: [], source: { simulated: { seed: 3 } } }
            """));
        using var client = new HttpClient();
        await Eventually.Async(() => IsUpAsync(client, port, run), "the page is served");
        await using Browser browser = await Browser.StartAsync();
        var lines = new List<string>
        {
            string.Create(CultureInfo.InvariantCulture, $"{Days} days at 1 Hz: history.db has {size / 1e6:0.0} MB"),
        };
        for (int visit = 1; visit <= 3; visit++)
        {
            IPage page = await browser.OpenAsync($"http://127.0.0.1:{port}/", script: Watch);
            Drawn opened = await DrawnAsync(page);
            double paint = await page.EvaluateAsync<double>("performance.getEntriesByName('first-contentful-paint')[0].startTime");
            lines.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"visit {visit}: first contentful paint after {paint:0} ms, curves of the last minutes after {opened.At:0} ms"));
            foreach (string span in new[] { "1 week", "1 month", "1 year" })
            {
                double clicked = await page.EvaluateAsync<double>(
                    """
                    text => {
                      const now = performance.now();
                      window.drawn.length = 0;
                      [...document.querySelectorAll('.toolbar button')].find(each => each.textContent === text).click();
                      return now;
                    }
                    """,
                    span);
                Drawn drawn = await DrawnAsync(page);
                lines.Add(string.Create(
                    CultureInfo.InvariantCulture, $"visit {visit}: {span}: {drawn.Points} points after {drawn.At - clicked:0} ms"));

                DateTime from = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(drawn.From, CultureInfo.InvariantCulture)).UtcDateTime;
                TimeSpan back = span switch
                {
                    "1 week" => TimeSpan.FromDays(7),
                    "1 month" => TimeSpan.FromDays(30),
                    _ => TimeSpan.FromDays(365),
                };
                DateTime expected = back < TimeSpan.FromDays(Days) ? DateTime.UtcNow - back : start;
                Assert.InRange(from, expected.AddHours(-1), expected + (back / 100));
                Assert.InRange(drawn.Points, (int)(450 * Math.Min(1, Days / back.TotalDays)), 2000);
            }

            await page.Context.CloseAsync();
        }

        Assert.Empty(browser.Faults);
        await File.WriteAllLinesAsync(Path.Combine(Browser.Pictures, "history.txt"), lines);
    }

    private static async Task<bool> IsUpAsync(HttpClient client, int port, RuntimeProcess run)
    {
        try
        {
            return (await client.GetAsync(new Uri($"http://127.0.0.1:{port}/"))).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            Assert.False(run.HasExited, run.Error);
            return false;
        }
    }

    private static async Task<Drawn> DrawnAsync(IPage page)
    {
        string text = "";
        await Eventually.Async(
            async () =>
            {
                text = await page.EvaluateAsync<string>("window.drawn[0]?.at ? JSON.stringify(window.drawn[0]) : ''");
                return text.Length > 0;
            },
            "the curves are drawn");
        JsonElement drawn = JsonDocument.Parse(text).RootElement;
        return new Drawn(
            drawn.GetProperty("from").GetString()!, drawn.GetProperty("points").GetInt32(), drawn.GetProperty("at").GetDouble());
    }

    private sealed record Drawn(string From, int Points, double At);
}
