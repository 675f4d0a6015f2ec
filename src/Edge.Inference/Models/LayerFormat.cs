using System.Text.Json;
using Edge.Inference.Cells;

namespace Edge.Inference.Models;

/// <summary>One inner layer in a model file: an entry of <c>layers</c> and the tensors <c>layers.N.*</c>.</summary>
internal static class LayerFormat
{
    internal static Layer Read(ModelReader reader, JsonElement element, string name, int inputMax)
    {
        string type = element.ValueKind == JsonValueKind.Object
            && element.TryGetProperty("type", out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : "";
        Layer layer = type switch
        {
            "slstm" or "mlstm" or "feedforward" or "norm" or "residual" => BlockFormat.Read(reader, element, type, name),
            "lstm" => ReadLstm(reader, element, name),
            "gru" => ReadGru(reader, element, name),
            "rnn" => ReadRnn(reader, element, name),
            "dense" => ReadDense(reader, element, name),
            _ =>
                throw new ModelFormatException(
                    $"{name}: this version does not know a layer of this type. Update edge-runtime or quantize the model again."),
        };
        layer.Validate(name, inputMax);
        return layer;
    }

    internal static void Write(Utf8JsonWriter json, Layer any)
    {
        if (any is BlockLayer block)
        {
            BlockFormat.Write(json, block);
            return;
        }

        var layer = (GateLayer)any;
        json.WriteStartObject();
        json.WriteString("type", layer.Type);
        json.WriteNumber("input", layer.InputCount);
        json.WriteNumber("hidden", layer.UnitCount);
        json.WriteNumber("input_shift", layer.InputShift);
        json.WriteNumber("recurrent_shift", layer.RecurrentShift);
        json.WriteNumber("gate_shift", layer.GateShift);
        WriteUnless(json, "hidden_bits", layer.HiddenBits, layer.IsRecurrent ? 8 : 16);
        WriteUnless(json, "output_fraction_bits", layer.OutputFractionBits, 15);
        switch (layer)
        {
            case LstmCell lstm:
                WriteUnless(json, "cell_fraction_bits", lstm.IsCellUniform ? lstm.CellFractionBits[0] : -1, -1);
                WriteUnless(json, "gate_activation", lstm.GateActivation, Activation.Sigmoid);
                WriteUnless(json, "candidate_activation", lstm.CandidateActivation, Activation.Tanh);
                WriteUnless(json, "cell_activation", lstm.CellActivation, Activation.Tanh);
                WriteUnless(json, "peephole_shift", lstm.PeepholeShift, 0);
                break;
            case GruCell gru:
                json.WriteNumber("reset_after_product", gru.ResetAfterProduct ? 1 : 0);
                WriteUnless(json, "gate_activation", gru.GateActivation, Activation.Sigmoid);
                WriteUnless(json, "candidate_activation", gru.CandidateActivation, Activation.Tanh);
                break;
            case RnnCell rnn:
                WriteUnless(json, "activation", rnn.Activation, Activation.Tanh);
                break;
            case DenseLayer dense:
                WriteUnless(json, "activation", dense.Activation, Activation.Tanh);
                WriteUnless(json, "argument_fraction_bits", dense.ArgumentFractionBits, 0);
                break;
        }

        json.WriteEndObject();
    }

    internal static void AddTensors(Dictionary<string, Tensor> tensors, string name, Layer any)
    {
        if (any is BlockLayer block)
        {
            BlockFormat.AddTensors(tensors, name, block);
            return;
        }

        var layer = (GateLayer)any;
        int rows = layer.GateCount * layer.UnitCount;
        tensors[$"{name}.input_weight"] = ModelFile.Weights(layer.InputWeight, rows, layer.InputCount);
        tensors[$"{name}.input_multiplier"] = Tensor.Of("I16", layer.InputMultiplier, rows);
        tensors[$"{name}.bias"] = Tensor.Of("I32", layer.Bias, layer.BiasCount * layer.UnitCount);
        if (layer.IsRecurrent)
        {
            tensors[$"{name}.recurrent_weight"] = ModelFile.Weights(layer.RecurrentWeight, rows, layer.UnitCount);
            tensors[$"{name}.recurrent_multiplier"] = Tensor.Of("I16", layer.RecurrentMultiplier, rows);
        }

        if (layer.IsNarrow)
        {
            tensors[$"{name}.hidden_multiplier"] = Tensor.Of("I16", layer.HiddenMultiplier, layer.UnitCount);
        }

        Add("table", "I16", (layer as DenseLayer)?.Table, ActivationTable.Length);
        Add("clip", "I16", layer.Clip, 2 * layer.GateCount);
        Add(
            "cell_fraction_bits",
            "I8",
            layer is LstmCell { IsCellUniform: false } varied ? varied.CellFractionBits : null,
            layer.UnitCount);
        Add("peephole", "I16", (layer as LstmCell)?.Peephole, 3 * layer.UnitCount);
        Add("initial_wide", "I16", layer.InitialWide, layer.WideStates * layer.UnitCount);
        Add("initial_narrow", "I8", layer.InitialNarrow, layer.NarrowStates * layer.UnitCount);

        void Add<T>(string tensor, string dtype, T[]? values, int count)
            where T : unmanaged
        {
            if (values is not null)
            {
                tensors[$"{name}.{tensor}"] = Tensor.Of(dtype, values, count);
            }
        }
    }

    private static LstmCell ReadLstm(ModelReader reader, JsonElement element, string name)
    {
        Shape shape = Shape.Read(element, name);
        int bits = HiddenBits(element, name);
        int rows = LstmCell.Gates * shape.Units;
        return new LstmCell
        {
            InputCount = shape.Inputs,
            UnitCount = shape.Units,
            InputShift = shape.InputShift,
            RecurrentShift = shape.RecurrentShift,
            GateShift = shape.GateShift,
            HiddenBits = bits,
            OutputFractionBits = shape.OutputFractionBits,
            CellFractionBits = reader.TakeIfThere<sbyte>($"{name}.cell_fraction_bits", "I8", shape.Units)
                ?? [.. Enumerable.Repeat((sbyte)ModelReader.Number(element, "cell_fraction_bits", 0, 13, name), shape.Units)],
            GateActivation = ModelReader.Choice(element, "gate_activation", name, Activation.Sigmoid, Activation.Sigmoid, Activation.Ramp),
            CandidateActivation = ModelReader.Choice(
                element, "candidate_activation", name, Activation.Tanh, Activation.Tanh, Activation.Sigmoid, Activation.Ramp),
            CellActivation = ModelReader.Choice(element, "cell_activation", name, Activation.Tanh, Activation.Tanh, Activation.Ramp),
            PeepholeShift = ModelReader.Number(element, "peephole_shift", 0, 15, name, 0),
            Peephole = reader.TakeIfThere<short>($"{name}.peephole", "I16", 3 * shape.Units),
            InputWeight = reader.TakeWeights($"{name}.input_weight", rows, shape.Inputs),
            RecurrentWeight = reader.TakeWeights($"{name}.recurrent_weight", rows, shape.Units),
            InputMultiplier = reader.Take<short>($"{name}.input_multiplier", "I16", rows),
            RecurrentMultiplier = reader.Take<short>($"{name}.recurrent_multiplier", "I16", rows),
            Bias = reader.Take<int>($"{name}.bias", "I32", rows),
            HiddenMultiplier = bits == 8 ? reader.Take<short>($"{name}.hidden_multiplier", "I16", shape.Units) : [],
            Clip = reader.TakeIfThere<short>($"{name}.clip", "I16", 2 * LstmCell.Gates),
            InitialWide = reader.TakeIfThere<short>($"{name}.initial_wide", "I16", (bits == 8 ? 1 : 2) * shape.Units),
            InitialNarrow = bits == 8 ? reader.TakeIfThere<sbyte>($"{name}.initial_narrow", "I8", shape.Units) : null,
        };
    }

    private static GruCell ReadGru(ModelReader reader, JsonElement element, string name)
    {
        Shape shape = Shape.Read(element, name);
        int bits = HiddenBits(element, name);
        bool resetAfter = ModelReader.Number(element, "reset_after_product", 0, 1, name) == 1;
        int rows = 3 * shape.Units;
        return new GruCell
        {
            InputCount = shape.Inputs,
            UnitCount = shape.Units,
            InputShift = shape.InputShift,
            RecurrentShift = shape.RecurrentShift,
            GateShift = shape.GateShift,
            HiddenBits = bits,
            OutputFractionBits = shape.OutputFractionBits,
            ResetAfterProduct = resetAfter,
            GateActivation = ModelReader.Choice(element, "gate_activation", name, Activation.Sigmoid, Activation.Sigmoid, Activation.Ramp),
            CandidateActivation = ModelReader.Choice(
                element, "candidate_activation", name, Activation.Tanh, Activation.Tanh, Activation.Sigmoid, Activation.Ramp),
            InputWeight = reader.TakeWeights($"{name}.input_weight", rows, shape.Inputs),
            RecurrentWeight = reader.TakeWeights($"{name}.recurrent_weight", rows, shape.Units),
            InputMultiplier = reader.Take<short>($"{name}.input_multiplier", "I16", rows),
            RecurrentMultiplier = reader.Take<short>($"{name}.recurrent_multiplier", "I16", rows),
            Bias = reader.Take<int>($"{name}.bias", "I32", resetAfter ? 4 * shape.Units : rows),
            HiddenMultiplier = bits == 8 ? reader.Take<short>($"{name}.hidden_multiplier", "I16", shape.Units) : [],
            Clip = reader.TakeIfThere<short>($"{name}.clip", "I16", 6),
            InitialWide = reader.TakeIfThere<short>($"{name}.initial_wide", "I16", shape.Units),
        };
    }

    private static RnnCell ReadRnn(ModelReader reader, JsonElement element, string name)
    {
        Shape shape = Shape.Read(element, name);
        int bits = HiddenBits(element, name);
        return new RnnCell
        {
            InputCount = shape.Inputs,
            UnitCount = shape.Units,
            InputShift = shape.InputShift,
            RecurrentShift = shape.RecurrentShift,
            GateShift = shape.GateShift,
            HiddenBits = bits,
            OutputFractionBits = shape.OutputFractionBits,
            Activation = ModelReader.Choice(
                element, "activation", name, Activation.Tanh, Activation.Tanh, Activation.Sigmoid, Activation.Ramp, Activation.Linear),
            InputWeight = reader.TakeWeights($"{name}.input_weight", shape.Units, shape.Inputs),
            RecurrentWeight = reader.TakeWeights($"{name}.recurrent_weight", shape.Units, shape.Units),
            InputMultiplier = reader.Take<short>($"{name}.input_multiplier", "I16", shape.Units),
            RecurrentMultiplier = reader.Take<short>($"{name}.recurrent_multiplier", "I16", shape.Units),
            Bias = reader.Take<int>($"{name}.bias", "I32", shape.Units),
            HiddenMultiplier = bits == 8 ? reader.Take<short>($"{name}.hidden_multiplier", "I16", shape.Units) : [],
            Clip = reader.TakeIfThere<short>($"{name}.clip", "I16", 2),
            InitialWide = reader.TakeIfThere<short>($"{name}.initial_wide", "I16", shape.Units),
        };
    }

    private static DenseLayer ReadDense(ModelReader reader, JsonElement element, string name)
    {
        Shape shape = Shape.Read(element, name);
        Activation activation = ModelReader.Choice(element, "activation", name, Activation.Tanh, Enum.GetValues<Activation>());
        return new DenseLayer
        {
            InputCount = shape.Inputs,
            UnitCount = shape.Units,
            InputShift = shape.InputShift,
            RecurrentShift = shape.RecurrentShift,
            GateShift = shape.GateShift,
            HiddenBits = 16,
            OutputFractionBits = shape.OutputFractionBits,
            Activation = activation,
            ArgumentFractionBits = ModelReader.Number(element, "argument_fraction_bits", 0, 15, name, 0),
            Table = activation == Activation.Table ? reader.Take<short>($"{name}.table", "I16", ActivationTable.Length) : null,
            InputWeight = reader.TakeWeights($"{name}.input_weight", shape.Units, shape.Inputs),
            RecurrentWeight = [],
            InputMultiplier = reader.Take<short>($"{name}.input_multiplier", "I16", shape.Units),
            RecurrentMultiplier = [],
            Bias = reader.Take<int>($"{name}.bias", "I32", shape.Units),
            HiddenMultiplier = [],
        };
    }

    internal static int HiddenBits(JsonElement element, string name)
    {
        int bits = ModelReader.Number(element, "hidden_bits", 8, 16, name, 8);
        return bits is 8 or 16
            ? bits
            : throw new ModelFormatException(
                $"{name}: 'hidden_bits' is {bits}, but must be 8 or 16. The file is damaged or made by a later version.");
    }

    internal static void WriteUnless<T>(Utf8JsonWriter json, string key, T value, T otherwise)
        where T : struct
    {
        if (value.Equals(otherwise))
        {
            return;
        }

        if (value is Activation activation)
        {
            json.WriteString(key, ModelReader.Name(activation));
        }
        else
        {
            json.WriteNumber(key, Convert.ToInt32(value));
        }
    }

    // What every layer says of itself.
    private readonly record struct Shape(int Inputs, int Units, int InputShift, int RecurrentShift, int GateShift, int OutputFractionBits)
    {
        internal static Shape Read(JsonElement element, string name) => new(
            ModelReader.Number(element, "input", 1, ModelFile.UnitsMax, name),
            ModelReader.Number(element, "hidden", 1, ModelFile.UnitsMax, name),
            ModelReader.Number(element, "input_shift", 0, 30, name),
            ModelReader.Number(element, "recurrent_shift", 0, 30, name),
            ModelReader.Number(element, "gate_shift", 0, 15, name),
            ModelReader.Number(element, "output_fraction_bits", 0, 15, name, 15));
    }
}
