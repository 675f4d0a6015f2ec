namespace Edge.Runtime.Mqtt;

/// <summary>The QoS 1 messages of one connection that the broker has not acknowledged, by packet identifier.</summary>
internal sealed class UnacknowledgedMessages
{
    // MQTTnet's client numbers its subscriptions from 1; these numbers must be others.
    private const int FirstId = 0x4000;
    private const int IdCount = ushort.MaxValue - FirstId + 1;

    private readonly Lock _gate = new();
    private readonly Dictionary<ushort, MqttDelivery> _deliveries = [];
    private MqttLinkException? _lost;
    private int _next;

    /// <summary>Numbers a message.</summary>
    /// <returns>Its packet identifier.</returns>
    /// <exception cref="MqttLinkException">The connection is lost, or no number is free.</exception>
    internal ushort Add(MqttDelivery delivery)
    {
        lock (_gate)
        {
            if (_lost is not null)
            {
                throw _lost;
            }

            if (_deliveries.Count == IdCount)
            {
                throw new MqttLinkException($"The broker has left {IdCount} messages unacknowledged.");
            }

            // A broker may acknowledge out of order: a number is used again only when it is free.
            ushort id;
            do
            {
                id = (ushort)(FirstId + _next);
                _next = (_next + 1) % IdCount;
            }
            while (!_deliveries.TryAdd(id, delivery));
            return id;
        }
    }

    /// <summary>Settles the message of an identifier. An unused identifier is ignored.</summary>
    /// <param name="id">The identifier that the broker acknowledges.</param>
    /// <param name="refusal">Why the broker refuses the message, or null if it has taken it.</param>
    internal void Settle(ushort id, MqttRefusedException? refusal)
    {
        lock (_gate)
        {
            if (_deliveries.Remove(id, out MqttDelivery? delivery))
            {
                delivery.Settle(refusal);
            }
        }
    }

    /// <summary>Settles all as lost; from now on none can be added.</summary>
    internal void Lose(MqttLinkException lost)
    {
        lock (_gate)
        {
            _lost ??= lost;
            foreach (MqttDelivery delivery in _deliveries.Values)
            {
                delivery.Settle(_lost);
            }

            _deliveries.Clear();
        }
    }
}
