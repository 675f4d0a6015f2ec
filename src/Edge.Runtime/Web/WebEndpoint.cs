using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;

namespace Edge.Runtime.Web;

/// <summary>An address, and what answers there.</summary>
/// <param name="Key">The key of edge.yaml that names the address, for a sentence.</param>
/// <param name="Address">Address and port.</param>
/// <param name="Answer">Answers a request.</param>
/// <param name="Certificate">For TLS; null for plain HTTP.</param>
internal sealed record WebEndpoint(string Key, IPEndPoint Address, Func<HttpContext, Task> Answer, X509Certificate2? Certificate = null)
{
    private static readonly string[] OwnNames = ["127.0.0.1", "localhost", "[::1]"];

    /// <summary>
    /// Whether a request is for this machine. On a loopback address only its own names are: a remote web page could reach it through a
    /// host name of its own.
    /// </summary>
    internal bool IsOwnName(HttpRequest request) =>
        !IPAddress.IsLoopback(Address.Address) || OwnNames.Contains(request.Host.Host);
}
