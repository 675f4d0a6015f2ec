using System.Text.Json;
using Edge.Inference.Cells;

namespace Edge.Inference.Models;

/// <summary>
/// One block in a model file: an entry of <c>layers</c> and the tensors <c>layers.N.*</c>. Files with blocks have format 2.
/// </summary>
internal static class BlockFormat
{
    internal static BlockLayer Read(ModelReader reader, JsonElement element, string type, string name)
    {
        int units = ModelReader.Number(element, "hidden", 1, ModelFile.UnitsMax, name);
        int bits = LayerFormat.HiddenBits(element, name);
        int inputBits = ModelReader.Number(element, "input_fraction_bits", 0, 15, name);
        return type switch
        {
            "slstm" => ReadSlstm(reader, element, name, units, bits, inputBits),
            "mlstm" => ReadMlstm(reader, element, name, units, bits, inputBits),
            "feedforward" => ReadFeedForward(reader, element, name, units, bits, inputBits),
            "residual" => new ResidualLayer
            {
                InputCount = units,
                UnitCount = units,
                HiddenBits = 16,
                InputFractionBits = inputBits,
                OutputFractionBits = ModelReader.Number(element, "output_fraction_bits", 0, 15, name),
                Source = ModelReader.Number(element, "source", 0, ModelFile.LayersMax, name),
                SourceFractionBits = ModelReader.Number(element, "source_fraction_bits", 0, 15, name),
            },
            _ => new NormLayer
            {
                InputCount = units,
                UnitCount = units,
                HiddenBits = 16,
                InputFractionBits = inputBits,
                OutputFractionBits = Normalization.FractionBits(units),
                Epsilon = ModelReader.LongNumber(
                    element, "epsilon", 1, Normalization.EpsilonMax, name, Normalization.Epsilon(units, inputBits)),
            },
        };
    }

    internal static void Write(Utf8JsonWriter json, BlockLayer block)
    {
        json.WriteStartObject();
        json.WriteString("type", block.Type);
        json.WriteNumber("hidden", block.UnitCount);
        json.WriteNumber("input_fraction_bits", block.InputFractionBits);
        LayerFormat.WriteUnless(json, "hidden_bits", block.HiddenBits, 8);
        switch (block)
        {
            case SlstmBlock slstm:
                json.WriteNumber("heads", slstm.Heads);
                json.WriteNumber("gain_shift", slstm.GainShift);
                break;
            case MlstmBlock mlstm:
                json.WriteNumber("inner", mlstm.InnerCount);
                json.WriteNumber("heads", mlstm.Heads);
                json.WriteNumber("product_shift", mlstm.ProductShift);
                json.WriteNumber("memory_shift", mlstm.MemoryShift);
                json.WriteNumber("key_shift", mlstm.KeyShift);
                json.WriteNumber("floor_log", mlstm.FloorLog);
                json.WriteNumber("epsilon_multiplier", mlstm.EpsilonMultiplier);
                json.WriteNumber("epsilon_shift", mlstm.EpsilonShift);
                json.WriteNumber("skip_shift", mlstm.SkipShift);
                json.WriteNumber("gated_fraction_bits", mlstm.GatedFractionBits);
                json.WriteNumber("gate_shift", mlstm.GateShift);
                break;
            case FeedForwardBlock feedForward:
                json.WriteNumber("inner", feedForward.Up.UnitCount);
                json.WriteNumber("gate_shift", feedForward.GateShift);
                break;
        }

        WriteNormOrResidual(json, block);
        if (block.Convolution is { } convolution)
        {
            json.WriteStartObject("convolution");
            json.WriteNumber("taps", convolution.Taps);
            json.WriteNumber("shift", convolution.Shift);
            json.WriteNumber("output_fraction_bits", convolution.OutputFractionBits);
            json.WriteEndObject();
        }

        json.WriteStartObject("products");
        foreach ((string name, Product product) in block.Products)
        {
            json.WriteStartObject(name);
            json.WriteNumber("input_shift", product.InputShift);
            json.WriteNumber("recurrent_shift", product.RecurrentShift);
            json.WriteNumber("gate_shift", product.GateShift);
            json.WriteNumber("output_fraction_bits", product.OutputFractionBits);
            LayerFormat.WriteUnless(json, "heads", product.Heads, 1);
            LayerFormat.WriteUnless(json, "activation", product.Activation, Activation.Linear);
            LayerFormat.WriteUnless(json, "argument_fraction_bits", product.ArgumentFractionBits, 0);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteNormOrResidual(Utf8JsonWriter json, BlockLayer block)
    {
        if (block is ResidualLayer residual)
        {
            json.WriteNumber("output_fraction_bits", residual.OutputFractionBits);
            json.WriteNumber("source", residual.Source);
            json.WriteNumber("source_fraction_bits", residual.SourceFractionBits);
        }
        else if (block is NormLayer norm && norm.Epsilon != Normalization.Epsilon(norm.UnitCount, norm.InputFractionBits))
        {
            json.WriteNumber("epsilon", norm.Epsilon);
        }
    }

    internal static void AddTensors(Dictionary<string, Tensor> tensors, string name, BlockLayer block)
    {
        foreach ((string each, Product product) in block.Products)
        {
            string at = $"{name}.{each}";
            tensors[$"{at}.input_weight"] = ModelFile.Weights(product.InputWeight, product.UnitCount, product.HeadInputs);
            Add($"{each}.input_multiplier", product.InputMultiplier);
            tensors[$"{at}.bias"] = Tensor.Of("I32", product.Bias, product.UnitCount);
            if (product.RecurrentInputs > 0)
            {
                tensors[$"{at}.recurrent_weight"] =
                    ModelFile.Weights(product.RecurrentWeight, product.UnitCount, product.RecurrentInputs);
            }

            Add($"{each}.recurrent_multiplier", product.RecurrentMultiplier);
            Add($"{each}.input_narrowing", product.InputNarrowing);
            Add($"{each}.recurrent_narrowing", product.RecurrentNarrowing);
            Add($"{each}.table", product.Table);
        }

        if (block.Convolution is { } convolution)
        {
            tensors[$"{name}.convolution.weight"] = Tensor.Of("I16", convolution.Weight, convolution.Taps, convolution.Width);
            tensors[$"{name}.convolution.bias"] = Tensor.Of("I32", convolution.Bias, convolution.Width);
            Add("convolution.table", convolution.Table);
        }

        Add("gain", (block as SlstmBlock)?.Gain ?? (block as MlstmBlock)?.Gain);
        Add("skip", (block as MlstmBlock)?.Skip);

        void Add(string tensor, short[]? values)
        {
            if (values is { Length: > 0 })
            {
                tensors[$"{name}.{tensor}"] = Tensor.Of("I16", values, values.Length);
            }
        }
    }

    private static SlstmBlock ReadSlstm(ModelReader reader, JsonElement element, string name, int units, int bits, int inputBits)
    {
        int heads = ModelReader.Number(element, "heads", 1, units, name);
        return new SlstmBlock
        {
            InputCount = units,
            UnitCount = units,
            HiddenBits = bits,
            InputFractionBits = inputBits,
            OutputFractionBits = inputBits,
            Heads = heads,
            Features = element.TryGetProperty("convolution", out _) ? ReadConvolution(reader, element, name, units) : null,
            InputGate = ReadProduct(reader, element, name, "i", units, units, bits, units, Activation.Linear),
            ForgetGate = ReadProduct(reader, element, name, "f", units, units, bits, units, Activation.Linear),
            Candidate = ReadProduct(reader, element, name, "z", units, units, bits, units, Activation.Tanh),
            OutputGate = ReadProduct(reader, element, name, "o", units, units, bits, units, Activation.Sigmoid),
            Gain = reader.Take<short>($"{name}.gain", "I16", units),
            GainShift = ModelReader.Number(element, "gain_shift", 0, 30, name),
        };
    }

    private static MlstmBlock ReadMlstm(ModelReader reader, JsonElement element, string name, int units, int bits, int inputBits)
    {
        int inner = ModelReader.Number(element, "inner", 1, ModelFile.UnitsMax, name);
        int heads = ModelReader.Number(element, "heads", 1, inner, name);
        return new MlstmBlock
        {
            InputCount = units,
            UnitCount = units,
            HiddenBits = bits,
            InputFractionBits = inputBits,
            OutputFractionBits = inputBits,
            Heads = heads,
            Up = ReadProduct(reader, element, name, "up", units, inner, bits, 0, Activation.Linear),
            Gate = ReadProduct(reader, element, name, "gate", units, inner, bits, 0, Activation.Table),
            Features = ReadConvolution(reader, element, name, inner),
            Query = ReadProduct(reader, element, name, "q", inner, inner, bits, 0, Activation.Linear),
            Key = ReadProduct(reader, element, name, "k", inner, inner, bits, 0, Activation.Linear),
            Value = ReadProduct(reader, element, name, "v", inner, inner, bits, 0, Activation.Linear),
            Gates = ReadProduct(reader, element, name, "gates", 3 * inner, 2 * heads, bits, 0, Activation.Linear),
            ProductShift = ModelReader.Number(element, "product_shift", 0, 15, name),
            MemoryShift = ModelReader.Number(element, "memory_shift", 0, LogArithmetic.MeanShift, name),
            KeyShift = ModelReader.Number(element, "key_shift", 0, LogArithmetic.MeanShift, name),
            FloorLog = ModelReader.Number(element, "floor_log", -(64 << LogArithmetic.LogBits), 64 << LogArithmetic.LogBits, name),
            EpsilonMultiplier = ModelReader.Number(element, "epsilon_multiplier", 0, short.MaxValue, name),
            EpsilonShift = ModelReader.Number(element, "epsilon_shift", 0, 46, name),
            Gain = reader.Take<short>($"{name}.gain", "I16", inner),
            Skip = reader.Take<short>($"{name}.skip", "I16", inner),
            SkipShift = ModelReader.Number(element, "skip_shift", 0, 30, name),
            GateShift = ModelReader.Number(element, "gate_shift", 0, 30, name),
            GatedFractionBits = ModelReader.Number(element, "gated_fraction_bits", 0, 30, name),
            Down = ReadProduct(reader, element, name, "down", inner, units, 16, 0, Activation.Linear),
        };
    }

    private static FeedForwardBlock ReadFeedForward(
        ModelReader reader, JsonElement element, string name, int units, int bits, int inputBits)
    {
        int inner = ModelReader.Number(element, "inner", 1, ModelFile.UnitsMax, name);
        return new FeedForwardBlock
        {
            InputCount = units,
            UnitCount = units,
            HiddenBits = bits,
            InputFractionBits = inputBits,
            OutputFractionBits = inputBits,
            Gate = ReadProduct(reader, element, name, "gate", units, inner, bits, 0, Activation.Table, Activation.Ramp, Activation.Sigmoid),
            Up = ReadProduct(reader, element, name, "up", units, inner, bits, 0, Activation.Linear),
            GateShift = ModelReader.Number(element, "gate_shift", 0, 30, name),
            Down = ReadProduct(reader, element, name, "down", inner, units, 16, 0, Activation.Linear),
        };
    }

    private static Convolution ReadConvolution(ModelReader reader, JsonElement element, string name, int width)
    {
        element.TryGetProperty("convolution", out JsonElement convolution);
        string where = $"{name}.convolution";
        int taps = ModelReader.Number(convolution, "taps", 1, Convolution.TapsMax, where);
        return new Convolution
        {
            Width = width,
            Taps = taps,
            Shift = ModelReader.Number(convolution, "shift", 0, 30, where),
            OutputFractionBits = ModelReader.Number(convolution, "output_fraction_bits", 0, 15, where),
            Weight = reader.Take<short>($"{where}.weight", "I16", taps, width),
            Bias = reader.Take<int>($"{where}.bias", "I32", width),
            Table = reader.Take<short>($"{where}.table", "I16", ActivationTable.Length),
        };
    }

    // One of the products of a block: the sizes and the activations that it may have follow from the block.
    private static Product ReadProduct(
        ModelReader reader, JsonElement block, string blockName, string key, int inputs, int units, int bits, int states,
        params ReadOnlySpan<Activation> activations)
    {
        string name = $"{blockName}.{key}";
        JsonElement element = default;
        if (!block.TryGetProperty("products", out JsonElement all) || all.ValueKind != JsonValueKind.Object
            || !all.TryGetProperty(key, out element))
        {
            throw new ModelFormatException($"{blockName}: 'products' does not have '{key}'. The file is damaged.");
        }

        int heads = ModelReader.Number(element, "heads", 1, Math.Min(inputs, units), name, 1);
        Activation activation = ModelReader.Choice(element, "activation", name, Activation.Linear, activations);
        if (!activations.Contains(activation))
        {
            throw new ModelFormatException($"{name}: this product cannot be linear. The file is damaged.");
        }

        if (inputs % heads != 0 || units % heads != 0)
        {
            throw new ModelFormatException($"{name}: {heads} heads do not divide {inputs} inputs and {units} units. The file is damaged.");
        }

        return new Product
        {
            InputCount = inputs,
            UnitCount = units,
            InputShift = ModelReader.Number(element, "input_shift", 0, 30, name),
            RecurrentShift = ModelReader.Number(element, "recurrent_shift", 0, 30, name),
            GateShift = ModelReader.Number(element, "gate_shift", 0, 15, name),
            HiddenBits = bits,
            OutputFractionBits = ModelReader.Number(element, "output_fraction_bits", 0, 15, name),
            RecurrentInputs = states / heads,
            Heads = heads,
            Activation = activation,
            ArgumentFractionBits = ModelReader.Number(element, "argument_fraction_bits", 0, 15, name, 0),
            Table = activation == Activation.Table ? reader.Take<short>($"{name}.table", "I16", ActivationTable.Length) : null,
            InputNarrowing = bits == 8 ? reader.Take<short>($"{name}.input_narrowing", "I16", inputs) : [],
            RecurrentNarrowing = bits == 8 && states > 0 ? reader.Take<short>($"{name}.recurrent_narrowing", "I16", states) : [],
            InputWeight = reader.TakeWeights($"{name}.input_weight", units, inputs / heads),
            RecurrentWeight = states > 0 ? reader.TakeWeights($"{name}.recurrent_weight", units, states / heads) : [],
            InputMultiplier = reader.Take<short>($"{name}.input_multiplier", "I16", units),
            RecurrentMultiplier = states > 0 ? reader.Take<short>($"{name}.recurrent_multiplier", "I16", units) : [],
            Bias = reader.Take<int>($"{name}.bias", "I32", units),
            HiddenMultiplier = [],
        };
    }
}
