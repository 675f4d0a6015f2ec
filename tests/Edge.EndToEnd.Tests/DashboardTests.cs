using System.Net;
using Edge.Testing;
using Microsoft.Playwright;

namespace Edge.EndToEnd.Tests;

/// <summary>The wall: <c>edge-runtime dashboard</c> beside a real broker and real devices.</summary>
public sealed class DashboardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [BrowserFact]
    public async Task It_shows_every_device_with_its_streams_and_what_is_open()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        int port = TestBroker.FreePort();
        string calm = Device("cellar", broker.Port, "");
        string ill = Device("greenhouse", broker.Port, "faults: [ { at: 3s, duration: 3000s, kind: dropout, channel: light } ]");
        using RuntimeProcess first = RuntimeProcess.Start("run", "--config", calm);
        using RuntimeProcess second = RuntimeProcess.Start("run", "--config", ill);
        using RuntimeProcess wall = RuntimeProcess.Start(
            "dashboard", "--broker", $"127.0.0.1:{broker.Port}", "--listen", $"127.0.0.1:{port}");
        await Eventually.Async(() => wall.Output.Contains($"http://127.0.0.1:{port}/", StringComparison.Ordinal));
        await using Browser browser = await Browser.StartAsync();
        IPage page = await browser.OpenAsync($"http://127.0.0.1:{port}/");
        await page.Locator(".wall section[aria-label='greenhouse'].bad").WaitForAsync();
        Assert.Contains(
            "light has given no value",
            await page.Locator(".wall section[aria-label='greenhouse']").InnerTextAsync(),
            StringComparison.Ordinal);
        await page.Locator(".wall section[aria-label='cellar'].good").WaitForAsync();
        foreach ((int width, string name) in new[] { (1400, "wide"), (390, "phone") })
        {
            await page.SetViewportSizeAsync(width, 844);
            Assert.Equal(width, await page.EvaluateAsync<int>("document.scrollingElement.scrollWidth"));
            await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Browser.Pictures, $"wall-{name}.png") });
        }

        // A device that is killed is offline by its last will.
        first.Kill();
        await page.Locator(".wall section[aria-label='cellar'].warn").WaitForAsync();
        using var client = new HttpClient();
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await client.PostAsync($"http://127.0.0.1:{port}/api/command/reset", new StringContent("{}"))).StatusCode);
        Assert.Empty(browser.Faults);
        wall.Terminate();
        Assert.Equal(0, await wall.ExitAsync());
    }

    [BrowserFact]
    public async Task The_demo_prints_the_address_of_its_page_and_the_page_shows_the_fault()
    {
        (int port, int pagePort) = (TestBroker.FreePort(), TestBroker.FreePort());
        using RuntimeProcess demo = RuntimeProcess.Start("demo", "--port", $"{port}", "--page-port", $"{pagePort}");
        await Eventually.Async(() => demo.Output.Contains($"Open http://127.0.0.1:{pagePort}/ in a browser", StringComparison.Ordinal));
        await using Browser browser = await Browser.StartAsync();
        IPage page = await browser.OpenAsync($"http://127.0.0.1:{pagePort}/");
        await page.Locator(".chart[aria-label='Curve of temperature'] .mark").First.WaitForAsync();
        await page.Locator(".verdict.bad h2", new PageLocatorOptions { HasText = "temperature is 30." }).WaitForAsync();
        await page.SetViewportSizeAsync(1400, 1010);
        await Eventually.Async(
            () => page.EvaluateAsync<bool>("document.querySelector('.u-wrap').clientWidth > 600"), "the curves are wide");
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Browser.Pictures, "demo.png") });
        Assert.Empty(browser.Faults);
        demo.Terminate();
        Assert.Equal(0, await demo.ExitAsync());
    }

    [Theory]
    [InlineData("--broker", "", "--broker must be HOST or HOST:PORT")]
    [InlineData("--broker", "mqtt://broker", "--broker must be HOST or HOST:PORT")]
    [InlineData("--broker", "broker:0", "--broker must be HOST or HOST:PORT")]
    [InlineData("--listen", "8081", "--listen must be an address and a port")]
    [InlineData("--listen", "0.0.0.0:8081", "without a password")]
    [InlineData("--password-file", "none", "--password-file 'none' cannot be read")]
    public async Task A_mistake_is_one_sentence(string option, string value, string sentence)
    {
        string[] broker = option == "--broker" ? [] : ["--broker", "127.0.0.1"];
        using RuntimeProcess wall = RuntimeProcess.Start(["dashboard", .. broker, option, value]);
        Assert.Equal(1, await wall.ExitAsync());
        Assert.Contains(
            sentence, Assert.Single(wall.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    private string Device(string name, int broker, string faults) => _folder.Write($"{name}.yaml", $$"""
        device: {{name}}
        mqtt: { host: 127.0.0.1, port: {{broker}} }
        streams:
          - { name: climate, model: demo, period: 50ms, source: { simulated: { seed: 3, {{faults}} } } }
          - { name: store, model: demo, source: { simulated: { seed: 4 } } }
        """);
}
