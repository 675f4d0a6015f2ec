using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Edge.Runtime.Web;

/// <summary>Reads requests and writes answers: a text, or a JSON object.</summary>
internal static class Response
{
    internal const string Json = "application/json";

    internal static Task TextAsync(HttpContext context, int status, string text, string type = "text/plain; charset=utf-8")
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    /// <summary>Writes a JSON object whose members <paramref name="write"/> writes.</summary>
    internal static async Task ObjectAsync(HttpContext context, int status, Action<Utf8JsonWriter> write)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = Json;
        context.Response.Headers.CacheControl = "no-store";
        using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Says in one sentence what was done, or why it was not.</summary>
    internal static Task SayAsync(HttpContext context, int status, string sentence) => ObjectAsync(context, status, json =>
    {
        json.WriteBoolean("ok", status < StatusCodes.Status400BadRequest);
        json.WriteString("message", sentence);
    });

    /// <summary>Reads the body of a request.</summary>
    /// <returns>The body, or null if it is larger than allowed: then that was answered.</returns>
    internal static async Task<byte[]?> ReadAsync(HttpContext context, int bytesMax)
    {
        if (context.Request.ContentLength is { } length && length > bytesMax)
        {
            await SayAsync(
                context,
                StatusCodes.Status413PayloadTooLarge,
                $"The request has {length} bytes; {bytesMax} is the limit.").ConfigureAwait(false);
            return null;
        }

        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = bytesMax;
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted).ConfigureAwait(false);
        return body.ToArray();
    }
}
