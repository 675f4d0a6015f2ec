namespace Edge.Runtime.Payloads;

/// <summary>Home automation that gets a description of this device.</summary>
internal enum Discovery
{
    None,
    HomeAssistant,
}
