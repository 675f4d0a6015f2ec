using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Edge.Runtime.Web;

/// <summary>Writes answers: a text, or a JSON object.</summary>
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
}
