using Edge.Cluster.Tests.Servers;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>TLS to broker and database, with an authority of one's own.</summary>
[Collection(ServersCollection.Name)]
public sealed class TlsTests(ServersFixture fixture)
{
    private const string Database = "username: edge, patience: 2s";

    [ClusterFact]
    public async Task Rows_come_through_TLS_and_nothing_of_a_worker_goes_without()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "tls", partitions: 2);
        await fixture.Servers.Postgres.UseTlsAsync(fixture.Certificates.Path);
        try
        {
            await WriteAsync(rig, $"{{ ca: {File("ca.pem")}, certificate: {File("client.pem")}, key: {File("client.key")} }}");
            await Eventually.Async(async () => (await rig.RunAsync("check")).Code == 0, "both take TLS connections");
            await using var collector = new Collector(fixture.Servers.Broker(), "tls.collected", stream => stream.StartsWith("tls"));
            await collector.StartAsync();
            await using var sender = new RowSender(fixture.Servers.Broker());
            WorkerProcess worker = rig.StartWorker();
            await sender.SendAsync(RowSender.Round("tls", "tls", 20, 0));
            await sender.SendAsync(RowSender.Round("tls", "tls", 20, 1));
            await Eventually.Async(() => collector.StreamsAt(2) == 20, "the rows came out");
            string connections = $"pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'edge-cluster {worker.Name}'";
            Assert.InRange(await rig.CountAsync($"SELECT count(*) FROM {connections} AND ssl AND client_dn = '/CN=edge'"), 1, 64);
            Assert.Equal(0, await rig.CountAsync($"SELECT count(*) FROM {connections} AND NOT ssl"));
            Assert.DoesNotContain("error", worker.Error, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            await fixture.Servers.Postgres.UseNoTlsAsync();
        }
    }

    [ClusterFact]
    public async Task A_certificate_that_is_not_good_enough_is_a_sentence_for_each_server()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "untrusted", partitions: 2);
        string broker = $"RabbitMQ at 127.0.0.1:{fixture.Servers.Rabbit.TlsPort} ";
        string database = $"PostgreSQL at 127.0.0.1:{fixture.Servers.Postgres.Port} ";
        try
        {
            // Without TLS at the server, nothing is sent to it in the clear.
            await WriteAsync(rig, $"{{ ca: {File("ca.pem")} }}");
            await ReplaceAsync(rig, $":{fixture.Servers.Rabbit.TlsPort}", $":{fixture.Servers.Rabbit.Ports[0]}");
            await SaysAsync(rig, "cannot be reached: TLS failed (", "); check that the port in rabbitmq.hosts is the one for TLS.");
            await SaysAsync(
                rig, $"{database}cannot be used: it takes no encrypted connections; set ssl = on there, or remove postgresql.tls.");
            await fixture.Servers.Postgres.UseTlsAsync(fixture.Certificates.Path);
            await WriteAsync(rig, $"{{ ca: {File("ca.pem")} }}");
            await Eventually.Async(async () => (await rig.RunAsync("check")).Code == 0, "both are trusted");

            string unknown = $"shows a certificate of 'edge test CA' that '{File("other-ca.pem")}' does not vouch for; "
                + "nothing was sent to it.";
            await WriteAsync(rig, $"{{ ca: {File("other-ca.pem")} }}");
            await SaysAsync(rig, broker + unknown, database + unknown);
            await WriteAsync(rig, "{}");
            unknown = "shows a certificate of 'edge test CA' that the system's certificates do not vouch for; nothing was sent to it.";
            await SaysAsync(rig, broker + unknown, database + unknown);

            const string OtherName = "shows a certificate of another name (edge test broker), not of 'localhost'; nothing was sent to it.";
            await WriteAsync(rig, $"{{ ca: {File("ca.pem")} }}", host: "localhost");
            await SaysAsync(
                rig,
                broker.Replace("127.0.0.1", "localhost", StringComparison.Ordinal) + OtherName,
                database.Replace("127.0.0.1", "localhost", StringComparison.Ordinal) + OtherName);

            await WriteAsync(rig, $"{{ ca: {File("no-such.pem")} }}");
            await SaysAsync(rig, $"postgresql.tls.ca: '{File("no-such.pem")}' cannot be read");

            // An expired one, of another authority of the same name.
            using var expired = new TemporaryFolder();
            TestCertificates.Write(expired, "127.0.0.1", fromDays: -3, toDays: -1);
            foreach (string name in new[] { "server.pem", "server.key", "ca.pem" })
            {
                System.IO.File.Copy(expired.File(name), File(name), overwrite: true);
            }

            await fixture.Servers.Postgres.UseTlsAsync(expired.Path);
            await WriteAsync(rig, $"{{ ca: {File("ca.pem")} }}");
            string since = "shows a certificate that expired on "
                + DateTime.UtcNow.AddDays(-1).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
            await SaysAsync(rig, broker + since, database + since);
        }
        finally
        {
            await fixture.Servers.Postgres.UseNoTlsAsync();
            TestCertificates.Write(fixture.Certificates, "127.0.0.1");
        }
    }

    private string File(string name) => fixture.Certificates.File(name);

    // The rig's configuration, with TLS to both.
    private async Task WriteAsync(ClusterRig rig, string tls, string host = "127.0.0.1")
    {
        string text = await System.IO.File.ReadAllTextAsync(rig.ConfigFile);
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].StartsWith("  hosts:", StringComparison.Ordinal))
            {
                lines[i] = $"  hosts: [\"{host}:{fixture.Servers.Rabbit.TlsPort}\"]";
            }
            else if (lines[i].StartsWith("  prefix:", StringComparison.Ordinal))
            {
                lines[i] = $"  prefix: {rig.Name}\n  tls: {tls}";
            }
            else if (lines[i].StartsWith("  tls:", StringComparison.Ordinal))
            {
                lines[i] = "";
            }
            else if (lines[i].StartsWith("postgresql:", StringComparison.Ordinal))
            {
                int port = fixture.Servers.Postgres.Port;
                lines[i] = $"postgresql: {{ host: {host}, port: {port}, database: {rig.Name}, {Database}, tls: {tls} }}";
            }
        }

        await System.IO.File.WriteAllTextAsync(rig.ConfigFile, string.Join('\n', lines.Where(line => line.Length > 0)));
    }

    private static async Task ReplaceAsync(ClusterRig rig, string written, string by)
    {
        string text = await System.IO.File.ReadAllTextAsync(rig.ConfigFile);
        Assert.Contains(written, text, StringComparison.Ordinal);
        await System.IO.File.WriteAllTextAsync(rig.ConfigFile, text.Replace(written, by, StringComparison.Ordinal));
    }

    private static async Task SaysAsync(ClusterRig rig, params string[] sentences)
    {
        string last = "";
        try
        {
            await Eventually.Async(
                async () =>
                {
                    (int code, string output, string error) = await rig.RunAsync("check");
                    last = output + error;
                    return code == 1 && sentences.All(sentence => error.Contains(sentence, StringComparison.Ordinal));
                },
                string.Join(" and ", sentences));
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{last}", e);
        }

        Assert.DoesNotContain("   at ", last, StringComparison.Ordinal);
    }
}
