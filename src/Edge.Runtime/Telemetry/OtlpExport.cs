using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Edge.Runtime.Telemetry;

/// <summary>Sends the metrics to a collector by OTLP over HTTP. OTEL_EXPORTER_OTLP_HEADERS adds headers, such as a token.</summary>
internal static class OtlpExport
{
    internal static IDisposable Start(TelemetryOptions config, string device, string version) => Sdk.CreateMeterProviderBuilder()
        .ConfigureResource(resource => resource.AddService("edge-runtime", serviceVersion: version, serviceInstanceId: device))
        .AddMeter(ServiceMetrics.MeterName)
        .AddMeter("System.Runtime")
        .AddOtlpExporter((exporter, reader) =>
        {
            exporter.Endpoint = new Uri(config.Otlp!, "v1/metrics");
            exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
            exporter.TimeoutMilliseconds = 5000;
            reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = (int)config.Every.TotalMilliseconds;
        })
        .Build();
}
