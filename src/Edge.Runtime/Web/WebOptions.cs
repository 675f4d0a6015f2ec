using System.Net;

namespace Edge.Runtime.Web;

/// <summary>Where the page is served, and what protects it.</summary>
internal sealed record WebOptions
{
    /// <summary>The port without <c>listen</c>.</summary>
    internal const int UsualPort = 8080;

    /// <summary>Shortest password, in characters.</summary>
    internal const int PasswordMin = 8;

    /// <summary>Address and port.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, UsualPort);

    /// <summary>The password, at least <see cref="PasswordMin"/> characters; null for a page on this machine that only shows.</summary>
    public string? Password { get; init; }

    /// <summary>Certificate for TLS, PEM, with its chain; null for plain HTTP.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>Its private key, PEM.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whether only this machine can reach the page.</summary>
    internal bool IsLocal => IPAddress.IsLoopback(Listen.Address);
}
