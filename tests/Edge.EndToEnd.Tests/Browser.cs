using Edge.Testing;
using Microsoft.Playwright;

namespace Edge.EndToEnd.Tests;

/// <summary>A test that drives a headless Chromium; not run where none is installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute() => Skip = Browser.Program is null ? Browser.Missing : null;
}

/// <summary>Debian's Chromium. Everything that a page says on its console, or asks of another host, is a fault.</summary>
internal sealed class Browser : IAsyncDisposable
{
    internal const string Missing = "chromium is not installed: ./test.sh installs it";

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly List<string> _faults = [];
    private readonly List<string> _answers = [];

    private Browser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    /// <summary>Its file, or null.</summary>
    internal static string? Program =>
        new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);

    /// <summary>Where screenshots are kept.</summary>
    internal static string Pictures =>
        Directory.CreateDirectory(Environment.GetEnvironmentVariable("EDGE_PICTURES") ?? RepositoryFile.Path("artifacts/page")).FullName;

    /// <summary>What went wrong in any page, one line each.</summary>
    internal IReadOnlyList<string> Faults
    {
        get
        {
            lock (_faults)
            {
                return [.. _faults];
            }
        }
    }

    /// <summary>What the pages asked and what came, one line each: for the message of a test that fails.</summary>
    internal IReadOnlyList<string> Answers
    {
        get
        {
            lock (_faults)
            {
                return [.. _answers];
            }
        }
    }

    internal static async Task<Browser> StartAsync()
    {
        IPlaywright playwright = await Playwright.CreateAsync();
        IBrowser browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Program,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        });
        return new Browser(playwright, browser);
    }

    /// <summary>Opens a page in a profile of its own.</summary>
    /// <param name="address">Its address; requests to another host are faults.</param>
    /// <param name="width">Width in CSS pixels.</param>
    /// <param name="isDark">Whether the browser asks for dark colors.</param>
    /// <param name="expected">A part of what the console may say, such as a status that a test provokes.</param>
    /// <param name="script">JavaScript that runs before the page's.</param>
    internal async Task<IPage> OpenAsync(
        string address, int width = 1400, bool isDark = false, string? expected = null, string? script = null)
    {
        IBrowserContext context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = width, Height = width < 800 ? 844 : 900 },
            ColorScheme = isDark ? ColorScheme.Dark : ColorScheme.Light,
            DeviceScaleFactor = width < 800 ? 2 : 1,
            IgnoreHTTPSErrors = true,
        });
        context.SetDefaultTimeout((float)Eventually.Bound.TotalMilliseconds);
        IPage page = await context.NewPageAsync();
        string host = new Uri(address).Authority;
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning" && (expected is null || !message.Text.Contains(expected, StringComparison.Ordinal)))
            {
                Note($"console: {message.Text}");
            }
        };
        page.PageError += (_, error) => Note($"error: {error}");
        page.Response += (_, response) => Note(_answers, $"{DateTime.UtcNow:HH:mm:ss.fff} {response.Status} {response.Url}");
        page.RequestFailed += (_, request) => Note(_answers, $"{DateTime.UtcNow:HH:mm:ss.fff} {request.Failure} {request.Url}");
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: "http" or "https" } url && url.Authority != host)
            {
                Note($"another host: {request.Url}");
            }
        };
        if (script is not null)
        {
            await page.AddInitScriptAsync(script);
        }

        await page.GotoAsync(address);
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
    }

    private void Note(string fault) => Note(_faults, fault);

    private void Note(List<string> to, string line)
    {
        lock (_faults)
        {
            to.Add(line);
        }
    }
}
