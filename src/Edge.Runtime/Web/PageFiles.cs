using System.IO.Compression;
using Microsoft.AspNetCore.Http;

namespace Edge.Runtime.Web;

/// <summary>The files of the page: embedded, compressed once, and asked for again only after an update of the program.</summary>
internal sealed class PageFiles
{
    /// <summary>Everything comes from this server, and nothing in the page is run that did not come as a file.</summary>
    internal const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly Dictionary<string, (string Name, string Type)> Files = new()
    {
        ["/"] = ("index.html", "text/html; charset=utf-8"),
        ["/page.js"] = ("page.js", "text/javascript; charset=utf-8"),
        ["/page.css"] = ("page.css", "text/css; charset=utf-8"),
        ["/icon.svg"] = ("icon.svg", "image/svg+xml"),
    };

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (byte[] Compressed, string Tag)> _ready = [];

    /// <summary>Answers if the path is a file of the page; null if it is not.</summary>
    internal Task? TryAnswer(HttpContext context)
    {
        if (context.Request.Path.Value is not { } path || !Files.TryGetValue(path, out (string Name, string Type) file))
        {
            return null;
        }

        (byte[] compressed, string tag) = Read(file.Name);
        HttpResponse response = context.Response;
        response.Headers.ETag = tag;
        response.Headers.CacheControl = "no-cache";
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        if (context.Request.Headers.IfNoneMatch == tag)
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        response.ContentType = file.Type;
        response.Headers.Vary = "Accept-Encoding";
        if (!context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase))
        {
            return SendWholeAsync(context, file.Name);
        }

        response.Headers.ContentEncoding = "gzip";
        response.ContentLength = compressed.Length;
        return response.Body.WriteAsync(compressed, context.RequestAborted).AsTask();
    }

    private static async Task SendWholeAsync(HttpContext context, string name)
    {
        using Stream file = Open(name);
        await file.CopyToAsync(context.Response.Body, context.RequestAborted).ConfigureAwait(false);
    }

    private (byte[] Compressed, string Tag) Read(string name)
    {
        lock (_gate)
        {
            if (!_ready.TryGetValue(name, out (byte[] Compressed, string Tag) ready))
            {
                using var bytes = new MemoryStream();
                using (var gzip = new GZipStream(bytes, CompressionLevel.SmallestSize, leaveOpen: true))
                using (Stream file = Open(name))
                {
                    file.CopyTo(gzip);
                }

                byte[] compressed = bytes.ToArray();
                ready = (compressed, $"\"{Inference.Crc32.Of(compressed):x8}\"");
                _ready[name] = ready;
            }

            return ready;
        }
    }

    private static Stream Open(string name) => typeof(PageFiles).Assembly.GetManifestResourceStream($"Edge.Runtime.Page.{name}")!;
}
