using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Web;

/// <summary>
/// Who may see the page and who may act. On a loopback address everyone may look; elsewhere, and for every action, the password is needed:
/// as a session that <see cref="AnswerLogInAsync"/> begins, or in each request (Basic, RFC 7617, any user name).
/// </summary>
/// <param name="options">The page's options.</param>
/// <param name="clock">Time.</param>
internal sealed class Access(WebOptions options, TimeProvider clock) : IDisposable
{
    // A person's working day, and more browsers than persons stand beside a machine.
    private const int SessionsMax = 32;
    private static readonly TimeSpan SessionTime = TimeSpan.FromHours(12);

    private const int LoginMaxBytes = 1024;

    // Passwords that are checked at a time, and how long a wrong one takes: four guesses a second in all.
    private const int ChecksMax = 4;
    private static readonly TimeSpan WrongDelay = TimeSpan.FromSeconds(1);

    private readonly byte[]? _password = options.Password is { } text ? Encoding.UTF8.GetBytes(text) : null;
    private readonly string _cookie = $"edge-{options.Listen.Port}";
    private readonly SemaphoreSlim _checks = new(ChecksMax, ChecksMax);
    private readonly Lock _gate = new();
    private readonly LinkedList<(string Token, DateTimeOffset Until)> _sessions = new();

    /// <summary>Whether there is a password: without one, no client can act.</summary>
    internal bool CanAct => _password is not null;

    /// <summary>Whether everyone who reaches the page may look.</summary>
    internal bool IsOpen => options.IsLocal;

    /// <summary>Whether a request has a session, or brings the right password.</summary>
    internal async ValueTask<bool> IsKnownAsync(HttpContext context)
    {
        if (context.Request.Cookies[_cookie] is { } token && HasSession(token))
        {
            return true;
        }

        return PasswordOf(context.Request) is { } given && await IsRightAsync(given, context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Answers a request whose body is the password: begins a session if it is right.</summary>
    internal async Task AnswerLogInAsync(HttpContext context, ILogger log)
    {
        if (await Response.ReadAsync(context, LoginMaxBytes).ConfigureAwait(false) is not { } password)
        {
            return;
        }

        bool isRight = await LogInAsync(context, password).ConfigureAwait(false);
        if (!isRight)
        {
            log.LogWarning("Page: a wrong password from {Address}", context.Connection.RemoteIpAddress);
        }

        await (isRight
            ? Response.SayAsync(context, StatusCodes.Status200OK, "Logged in.")
            : Response.SayAsync(context, StatusCodes.Status401Unauthorized, "The password is wrong.")).ConfigureAwait(false);
    }

    private async Task<bool> LogInAsync(HttpContext context, byte[] password)
    {
        if (!await IsRightAsync(password, context.RequestAborted).ConfigureAwait(false))
        {
            return false;
        }

        // A version 4 GUID has 122 random bits from the kernel.
        string token = $"{Guid.NewGuid():N}{Guid.NewGuid():N}";
        lock (_gate)
        {
            _sessions.AddLast((token, clock.GetUtcNow() + SessionTime));
            if (_sessions.Count > SessionsMax)
            {
                _sessions.RemoveFirst();
            }
        }

        context.Response.Cookies.Append(
            _cookie,
            token,
            new CookieOptions
            {
                HttpOnly = true,
                SameSite = SameSiteMode.Strict,
                Secure = context.Request.IsHttps,
                MaxAge = SessionTime,
                Path = "/",
            });
        return true;
    }

    /// <summary>Ends the session of a request.</summary>
    internal void LogOut(HttpContext context)
    {
        string? token = context.Request.Cookies[_cookie];
        lock (_gate)
        {
            for (LinkedListNode<(string Token, DateTimeOffset Until)>? at = _sessions.First; at is not null; at = at.Next)
            {
                if (at.Value.Token == token)
                {
                    _sessions.Remove(at);
                    break;
                }
            }
        }

        context.Response.Cookies.Delete(_cookie);
    }

    /// <summary>Whether a request that changes something comes from the page itself, or from a program that is no browser.</summary>
    internal static bool IsSameOrigin(HttpRequest request)
    {
        string? origin = request.Headers.Origin;
        return string.IsNullOrEmpty(origin) || origin == $"{request.Scheme}://{request.Host}";
    }

    public void Dispose() => _checks.Dispose();

    private bool HasSession(string token)
    {
        lock (_gate)
        {
            DateTimeOffset now = clock.GetUtcNow();
            while (_sessions.First is { } oldest && oldest.Value.Until <= now)
            {
                _sessions.RemoveFirst();
            }

            byte[] given = Encoding.UTF8.GetBytes(token);
            bool isKnown = false;
            foreach ((string each, _) in _sessions)
            {
                isKnown |= CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(each), given);
            }

            return isKnown;
        }
    }

    private async Task<bool> IsRightAsync(byte[] given, CancellationToken cancel)
    {
        if (_password is null)
        {
            return false;
        }

        await _checks.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (CryptographicOperations.FixedTimeEquals(_password, given))
            {
                return true;
            }

            await Task.Delay(WrongDelay, clock, cancel).ConfigureAwait(false);
            return false;
        }
        finally
        {
            _checks.Release();
        }
    }

    private static byte[]? PasswordOf(HttpRequest request)
    {
        const string Scheme = "Basic ";
        string? header = request.Headers.Authorization;
        if (header is null || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        byte[] bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header[Scheme.Length..].Trim(), bytes, out int length))
        {
            return null;
        }

        int colon = bytes.AsSpan(0, length).IndexOf((byte)':');
        return colon < 0 ? null : bytes[(colon + 1)..length];
    }
}
