using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Edge.Runtime.Telemetry;

/// <summary>Sends the metrics to a collector by OTLP over HTTP. OTEL_EXPORTER_OTLP_HEADERS adds headers, such as a token.</summary>
internal static class OtlpExport
{
    /// <summary>Begins.</summary>
    /// <param name="config">Where to.</param>
    /// <param name="service">Name of the program.</param>
    /// <param name="instance">Name of this process.</param>
    /// <param name="meter">Name of its meter.</param>
    /// <param name="version">Version of the program.</param>
    internal static IDisposable Start(TelemetryOptions config, string service, string instance, string meter, string version) =>
        Sdk.CreateMeterProviderBuilder()
            .ConfigureResource(resource => resource.AddService(service, serviceVersion: version, serviceInstanceId: instance))
            .AddMeter(meter)
            .AddMeter("System.Runtime")
            .AddOtlpExporter((exporter, reader) =>
            {
                Configure(exporter, config, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = (int)config.Every.TotalMilliseconds;
            })
            .Build();

    /// <summary>Sends traces as well.</summary>
    /// <param name="config">Where to.</param>
    /// <param name="service">Name of the program.</param>
    /// <param name="instance">Name of this process.</param>
    /// <param name="source">Name of their source.</param>
    /// <param name="version">Version of the program.</param>
    internal static IDisposable StartTraces(TelemetryOptions config, string service, string instance, string source, string version) =>
        Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(resource => resource.AddService(service, serviceVersion: version, serviceInstanceId: instance))
            .AddSource(source)
            .AddOtlpExporter(exporter => Configure(exporter, config, "v1/traces"))
            .Build();

    private static void Configure(OtlpExporterOptions exporter, TelemetryOptions config, string path)
    {
        exporter.Endpoint = new Uri(config.Otlp!, path);
        exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
        exporter.TimeoutMilliseconds = 5000;
    }
}
