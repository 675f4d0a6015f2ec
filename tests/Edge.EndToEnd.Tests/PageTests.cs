using System.Globalization;
using System.Net;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Edge.Testing;
using Microsoft.Playwright;

namespace Edge.EndToEnd.Tests;

/// <summary>The page in a real browser, with the real service behind it.</summary>
public sealed partial class PageTests : IAsyncLifetime, IDisposable
{
    private const string Password = "tomatoes and light";
    private const string Newest = "(document.querySelector('.verdict .quiet')?.dataset ?? {})";

    // A native program is up again within a few ticks, and so few make no gap.
    private const string LongAgo = $"Date.now() - Number({Newest}.t) > 2_000";

    private readonly TemporaryFolder _folder = new();
    private readonly int _port = TestBroker.FreePort();
    private TestBroker _broker = null!;
    private RuntimeProcess _run = null!;
    private Browser _browser = null!;

    private string Address => $"http://127.0.0.1:{_port}/";

    public async Task InitializeAsync()
    {
        if (Browser.Program is null)
        {
            return;
        }

        // A fault of one channel that passes, and one that stays.
        File.Copy(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"), _folder.File("climate.safetensors"));
        _folder.Write("password", Password + "\n");
        _broker = await TestBroker.StartAsync();
        _run = RuntimeProcess.Start("run", "--config", _folder.Write("edge.yaml", $$"""
            device: greenhouse
            state: state
            mqtt: { host: 127.0.0.1, port: {{_broker.Port}} }
            web: { listen: '127.0.0.1:{{_port}}', password: { file: {{_folder.File("password")}} } }
            models: { unsigned: allowed, canary: 200 }
            streams:
              - name: climate
                model: climate.safetensors
                period: 50ms
                limits: { temperature: { high: 28, low: 5 } }
                source:
                  simulated: { seed: 7, faults: [ { at: 7s, duration: 4s, kind: bias, channel: temperature, magnitude: 3 } ] }
              - name: store
                model: demo
                period: 50ms
                source: { simulated: { seed: 5, faults: [ { at: 7s, duration: 3000s, kind: dropout, channel: light } ] } }
            """));
        _browser = await Browser.StartAsync();
        await Eventually.Async(IsUpAsync, "the page is served");
    }

    public async Task DisposeAsync()
    {
        if (Browser.Program is not null)
        {
            await _browser.DisposeAsync();
            _run.Dispose();
            await _broker.DisposeAsync();
        }
    }

    public void Dispose() => _folder.Dispose();

    [BrowserFact]
    public async Task An_anomaly_is_a_mark_on_the_curve_and_a_sentence()
    {
        IPage page = await _browser.OpenAsync(Address);
        ILocator mark = await MarkAsync(page);
        string sentence = (await mark.GetAttributeAsync("title"))!;
        Assert.StartsWith("temperature is ", sentence, StringComparison.Ordinal);
        Assert.Contains(sentence, await page.Locator(".events").InnerTextAsync(), StringComparison.Ordinal);
        await mark.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        Assert.StartsWith("event-climate-", await page.EvaluateAsync<string>("document.activeElement.id"), StringComparison.Ordinal);

        // The list of streams says it, too, and so does the verdict of the stream whose fault stays.
        await page.ClickAsync("#streams a[href='#store']");
        await UntilAsync(page, "document.querySelector('.verdict h2')?.textContent.startsWith('light has given no value') === true");
        Assert.Empty(_browser.Faults);
    }

    [BrowserFact]
    public async Task A_person_acts_with_the_password_and_is_refused_without()
    {
        IPage page = await _browser.OpenAsync(Address + "#store", expected: "401");
        await UntilAsync(page, "document.querySelector('.verdict')?.classList.contains('bad') === true");

        // A wrong password is refused and nothing is done; the right one begins a session that later actions use.
        await page.ClickAsync("#accept");
        await page.FillAsync("#ask-password", "a guess");
        await page.ClickAsync("dialog button.strong");
        await page.Locator("dialog .fault", new PageLocatorOptions { HasText = "The password is wrong." }).WaitForAsync();
        await page.FillAsync("#ask-password", Password);
        await page.ClickAsync("dialog button.strong");
        await SaidAsync(page, "takes what its anomaly shows for normal");
        await UntilAsync(page, "document.querySelector('.events').textContent.includes('is taken for normal from now on')");

        await ActAsync(page, "label", "of 'store' is kept.");
        await UntilAsync(page, "document.querySelector('.events').textContent.includes('Label: fault')");
        await ActAsync(page, "silence", "Stream 'store' opens no anomaly until ");
        await page.ClickAsync("summary:has-text('More')");
        await ActAsync(page, "reset", "State of stream 'store' reset after tick ");

        await page.ClickAsync("#streams a[href='#climate']");
        await UntilAsync(page, "document.querySelector(\"[data-stream='climate'] #canary\") !== null");
        byte[] next = ModelVariant.Of(await File.ReadAllBytesAsync(_folder.File("climate.safetensors")), 1);
        await page.ClickAsync("summary:has-text('More')");
        await page.ClickAsync("#canary");
        await page.SetInputFilesAsync("#model-file", new FilePayload { Name = "next.safetensors", MimeType = "", Buffer = next });
        await page.ClickAsync("dialog button.strong");
        await SaidAsync(page, " runs beside ");
        await Eventually.Async(
            () => File.Exists(_folder.File("climate.safetensors.previous")), "the canary has taken over");
        await page.Locator(".events", new PageLocatorOptions { HasText = "The new model is in use: " }).WaitForAsync();
        await page.Locator("dd", new PageLocatorOptions { HasText = Sha(next) }).WaitForAsync();
        await page.ClickAsync("summary:has-text('More')");
        await ActAsync(page, "rollback", " is in use again.");

        // Each is one line in the log of the service.
        Assert.All(
            new[] { "accept", "label", "silence", "reset", "update", "rollback" },
            name => Assert.Contains($"Command {name} from the page, by 127.0.0.1: ", _run.Error, StringComparison.Ordinal));
        Assert.Contains("Page: a wrong password from 127.0.0.1", _run.Error, StringComparison.Ordinal);
        Assert.Empty(_browser.Faults);
    }

    [BrowserFact]
    public async Task The_stream_that_was_asked_for_last_is_shown_whichever_answer_comes_last()
    {
        IPage page = await _browser.OpenAsync(Address + "#store");
        await page.Locator("[data-stream='store']").WaitForAsync();
        var late = new TaskCompletionSource();
        await page.RouteAsync("**/stream?name=climate", async route =>
        {
            await late.Task;
            await route.ContinueAsync();
        });
        await page.EvaluateAsync("location.hash = '#climate'");
        await UntilAsync(page, "document.querySelector('main').inert");
        await page.EvaluateAsync("location.hash = '#store'");
        await UntilAsync(page, "!document.querySelector('main').inert");
        IResponse answer = await page.RunAndWaitForResponseAsync(
            () =>
            {
                late.SetResult();
                return Task.CompletedTask;
            },
            response => response.Url.EndsWith("stream?name=climate", StringComparison.Ordinal));
        await answer.FinishedAsync();
        await page.WaitForTimeoutAsync(200);
        Assert.Equal("store", await page.Locator("[data-stream]").GetAttributeAsync("data-stream"));
        Assert.Empty(_browser.Faults);
    }

    [BrowserFact]
    public async Task It_fits_a_phone_and_a_screen_in_light_and_dark()
    {
        foreach ((int width, bool isDark) in new[] { (390, false), (390, true), (1400, false), (1400, true) })
        {
            IPage page = await _browser.OpenAsync(Address, width, isDark);
            await MarkAsync(page);
            await page.ClickAsync("summary:has-text('A look into the cell')");
            Assert.NotEqual("", await page.InputValueAsync("#unit"));
            await page.Locator(".cell .key", new PageLocatorOptions { HasText = "cell state" }).WaitForAsync();
            Assert.Equal(width, await page.EvaluateAsync<int>("document.scrollingElement.scrollWidth"));
            AxeResult found = await page.RunAxe();
            Assert.True(
                found.Violations.Length == 0,
                string.Join(
                    '\n',
                    found.Violations.Select(each => $"{each.Id}: {each.Help}: {string.Join(", ", each.Nodes.Select(node => node.Html))}")));
            await page.ScreenshotAsync(new PageScreenshotOptions
            {
                Path = Path.Combine(Browser.Pictures, $"page-{width}-{(isDark ? "dark" : "light")}.png"),
                FullPage = true,
            });

            // The keyboard reaches what a finger does.
            await page.FocusAsync("#silence");
            await page.Keyboard.PressAsync("Enter");
            await page.Locator("dialog[open]").WaitForAsync();
            await page.ScreenshotAsync(new PageScreenshotOptions
            {
                Path = Path.Combine(Browser.Pictures, $"dialog-{width}-{(isDark ? "dark" : "light")}.png"),
            });
            await page.Keyboard.PressAsync("Escape");
            await UntilAsync(page, "document.querySelector('dialog') === null");
            await page.Context.CloseAsync();
        }

        Assert.Empty(_browser.Faults);
    }

    [BrowserFact]
    public async Task It_is_small_and_comes_from_the_device_alone()
    {
        IPage page = await _browser.OpenAsync(Address);
        await UntilAsync(page, $"Number({Newest}.seq) > 0");
        int bytes = await page.EvaluateAsync<int>(
            """
            [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
              .filter(each => !each.name.includes('/api/')).reduce((sum, each) => sum + each.encodedBodySize, 0)
            """);
        Assert.InRange(bytes, 1000, 150_000);
        double paint = await page.EvaluateAsync<double>("performance.getEntriesByName('first-contentful-paint')[0].startTime");
        await File.WriteAllTextAsync(
            Path.Combine(Browser.Pictures, "budget.txt"),
            string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes, first contentful paint after {paint:0} ms\n"));
        Assert.Empty(_browser.Faults);
    }

    private static string Sha(byte[] model) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(model))[..6];

    // Asked from outside: the page's policy forbids to evaluate texts inside.
    private static Task UntilAsync(IPage page, string condition) =>
        Eventually.Async(() => page.EvaluateAsync<bool>(condition), condition);

    // The anomaly is one of the first seconds. A busy machine may take longer than the five minutes that the curve shows at first.
    private async Task<ILocator> MarkAsync(IPage page)
    {
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "1 h", Exact = true }).ClickAsync();
        return await SeenAsync(Mark(page));
    }

    private static ILocator Mark(IPage page) => page.Locator(".chart[aria-label='Curve of temperature'] .mark").First;

    private async Task<ILocator> SeenAsync(ILocator what)
    {
        try
        {
            await what.WaitForAsync();
            return what;
        }
        catch (TimeoutException e)
        {
            string there = await what.Page.EvaluateAsync<string>("document.body.innerText + document.querySelector('.curves')?.outerHTML");
            string said = string.Join('\n', [.. _browser.Faults, .. _browser.Answers]);
            throw new TimeoutException($"Not on the page: {what}\n{there}\n{said}", e);
        }
    }

    // The line is shown for eight seconds, which a busy machine may take to look; its text stays.
    private static async Task SaidAsync(IPage page, string sentence)
    {
        try
        {
            await page.Locator("#said", new PageLocatorOptions { HasText = sentence })
                .WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Attached });
        }
        catch (TimeoutException e)
        {
            string there = await page.EvaluateAsync<string>("document.body.innerText");
            throw new TimeoutException($"'{sentence}' is not said; the page: {there}", e);
        }
    }

    private static async Task ActAsync(IPage page, string button, string sentence)
    {
        await page.ClickAsync($"#{button}");
        await page.ClickAsync("dialog button.strong");
        await SaidAsync(page, sentence);
    }

    private async Task<bool> IsUpAsync()
    {
        try
        {
            using var client = new HttpClient();
            return (await client.GetAsync(Address)).StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            Assert.False(_run.HasExited, _run.Error);
            return false;
        }
    }
}
