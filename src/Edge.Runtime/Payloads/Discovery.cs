namespace Edge.Runtime.Payloads;

/// <summary>Who is told what this device publishes.</summary>
internal enum Discovery
{
    None,
    HomeAssistant,
}
