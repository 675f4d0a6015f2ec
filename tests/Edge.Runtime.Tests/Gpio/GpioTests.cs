using System.Device.Gpio;
using Edge.Inference;
using Edge.Sensors.Gpio;
using Edge.Sensors.Polling;

namespace Edge.Runtime.Tests.Gpio;

/// <summary>GPIO over a controller whose lines are variables.</summary>
public sealed class GpioTests
{
    [Fact]
    public void A_digital_input_is_0_or_1()
    {
        var lines = new SimulatedLines();
        var input = new GpioInput(new GpioInputOptions(null, 17, Pull.Up), lines.Open);
        input.Open();
        var value = new double[1];
        Assert.True(input.Read(value));
        Assert.Equal((0, PinMode.InputPullUp), (value[0], lines.Modes[17]));
        lines.Set(17, PinValue.High);
        Assert.True(input.Read(value));
        Assert.Equal(1, value[0]);
        input.Close();
        input.Open();
        Assert.True(input.Read(value));
        Assert.Equal(1, value[0]);
    }

    [Theory]
    [InlineData("Rising", 3)]
    [InlineData("Falling", 2)]
    public void A_data_ready_line_ticks_at_its_edges(string edge, int expected)
    {
        var lines = new SimulatedLines();
        int ticks = 0;
        using var tick = new DataReadyLine(new DataReadyOptions(null, 4, Enum.Parse<LineEdge>(edge)), () => ticks++, lines.Open);
        foreach (int level in (int[])[1, 0, 1, 1, 0, 1])
        {
            lines.Set(4, level);
        }

        Assert.Equal(expected, ticks);
    }

    [Fact]
    public void An_alarm_pin_is_high_while_the_alarm_is_on_and_low_at_the_end()
    {
        var lines = new SimulatedLines();
        var alarm = new AlarmPin(27, lines.Open);
        Assert.Equal((PinMode.Output, PinValue.Low), (lines.Modes[27], lines.Read(27)));
        alarm.Set(true);
        Assert.Equal(PinValue.High, lines.Values[27]);
        alarm.Set(false);
        Assert.Equal(PinValue.Low, lines.Values[27]);
        alarm.Set(true);
        alarm.Dispose();
        Assert.Equal(PinValue.Low, lines.Values[27]);
    }

    [Fact]
    public void A_board_without_gpio_is_one_sentence()
    {
        Func<int?, GpioController> open = _ => throw new PlatformNotSupportedException("No unix driver appears to be runnable.");
        Assert.Equal(
            "The alarm pin, GPIO 27, cannot be used: No unix driver appears to be runnable. "
                + "Check 'anomaly.alarm_pin', and that the user is in group gpio.",
            Assert.Throws<InputException>(() => new AlarmPin(27, open)).Message);
        Assert.Contains(
            "Check 'tick'",
            Assert.Throws<InputException>(() => new DataReadyLine(new DataReadyOptions(0, 4, LineEdge.Rising), () => { }, open)).Message,
            StringComparison.Ordinal);
    }

    /// <summary>A controller whose lines are variables; it outlives its disposal, as lines do.</summary>
    private sealed class SimulatedLines() : GpioController((GpioDriver)null!)
    {
        private readonly List<(int Pin, PinEventTypes Edges, PinChangeEventHandler Callback)> _callbacks = [];

        internal Dictionary<int, PinMode> Modes { get; } = [];

        internal Dictionary<int, PinValue> Values { get; } = [];

        internal GpioController Open(int? chip) => this;

        internal void Set(int pin, PinValue value)
        {
            PinValue before = Read(pin);
            Values[pin] = value;
            PinEventTypes edge = value == before
                ? PinEventTypes.None
                : value == PinValue.High
                ? PinEventTypes.Rising
                : PinEventTypes.Falling;
            (int Pin, PinEventTypes Edges, PinChangeEventHandler Callback)[] wanted =
                [.. _callbacks.Where(each => each.Pin == pin && (each.Edges & edge) != 0)];
            foreach ((int _, PinEventTypes _, PinChangeEventHandler callback) in wanted)
            {
                callback(this, new PinValueChangedEventArgs(edge, pin));
            }
        }

        public override bool IsPinOpen(int pinNumber) => false;

        public override void SetPinMode(int pinNumber, PinMode mode) => Modes[pinNumber] = mode;

        public override PinMode GetPinMode(int pinNumber) => Modes[pinNumber];

        public override bool IsPinModeSupported(int pinNumber, PinMode mode) => true;

        public override PinValue Read(int pinNumber) => Values.GetValueOrDefault(pinNumber, PinValue.Low);

        public override void Write(int pinNumber, PinValue value) => Values[pinNumber] = value;

        public override void RegisterCallbackForPinValueChangedEvent(
            int pinNumber,
            PinEventTypes eventTypes,
            PinChangeEventHandler callback) =>
            _callbacks.Add((pinNumber, eventTypes, callback));

        public override void UnregisterCallbackForPinValueChangedEvent(int pinNumber, PinChangeEventHandler callback) =>
            _callbacks.RemoveAll(added => added.Pin == pinNumber);

        protected override void OpenPinCore(int pinNumber)
        {
        }

        protected override void ClosePinCore(int pinNumber)
        {
        }
    }
}
