namespace Edge.Sensors.I2c;

/// <summary>A device found on an I2C bus.</summary>
/// <param name="Address">Where.</param>
/// <param name="Candidates">Drivers of sensors that can have the address, with the values each gives.</param>
internal sealed record I2cFinding(int Address, IReadOnlyList<I2cCandidate> Candidates);

/// <summary>A driver that may fit.</summary>
/// <param name="Driver">Its name.</param>
/// <param name="Description">Maker and type.</param>
/// <param name="Channels">What it reads, with units.</param>
/// <param name="Values">One reading, or null if the driver does not fit the device.</param>
internal sealed record I2cCandidate(
    string Driver,
    string Description,
    IReadOnlyList<(string Name, string Unit)> Channels,
    double[]? Values);
