using System.Buffers.Binary;
using System.Text;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>A model file is believed in nothing: each lie in it is one sentence, never a crash and never a wrong model.</summary>
public sealed class ModelFileTests
{
    [Fact]
    public void A_model_survives_writing_and_reading_byte_for_byte()
    {
        byte[] bytes = RandomModels.Int8(1, 5, 24, 2, 3);
        Assert.Equal(bytes, EdgeModel.Parse(bytes).ToBytes());
    }

    [Fact]
    public void Every_truncation_of_a_model_is_refused()
    {
        byte[] bytes = RandomModels.Int8(1, 2, 3, 1, 1);
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(bytes.AsMemory(0, length)));
        }
    }

    [Fact]
    public void Every_single_bit_flip_of_a_small_model_is_refused()
    {
        byte[] bytes = RandomModels.Int8(1, 2, 3, 1, 1);
        Assert.All(Enumerable.Range(0, bytes.Length * 8), bit => Refuses(bytes, bit));
    }

    [Fact]
    public void Two_thousand_random_bit_flips_of_models_of_every_kind_are_refused()
    {
        byte[][] models =
        [
            RandomModels.Int8(1, 7, 64, 1, 7), .. Enumerable.Range(0, 4).Select(seed => RandomModels.Int8Family(seed, 3, 9, 3, 4)),
            .. Enumerable.Range(0, 4).Select(seed => RandomStacks.Int8(seed, 3)),
        ];
        var random = new Random(20261126);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] model = models[i % models.Length];
            Refuses(model, random.Next(model.Length * 8));
        }
    }

    [Fact]
    public void A_flipped_weight_is_called_damage_and_how_to_mend_it_is_said()
    {
        byte[] bytes = RandomModels.Int8(1, 2, 3, 1, 1);
        bytes[^1] ^= 1;
        string sentence = Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(bytes)).Message;
        Assert.Contains("its SHA-256 is not the one that was written into it. Copy it again", sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_an_earlier_version_has_no_checksum_and_is_read()
    {
        byte[] bytes = RandomModels.Int8(1, 2, 3, 1, 1);
        byte[] earlier = ModelVariant.WithoutChecksum(bytes);
        Assert.DoesNotContain("sha256", Encoding.Latin1.GetString(earlier), StringComparison.Ordinal);
        Assert.Equal(bytes, EdgeModel.Parse(earlier).ToBytes());
    }

    [Fact]
    public void Every_single_bit_flip_of_a_file_without_checksum_is_refused_or_gives_a_model_that_steps_to_finite_values()
    {
        byte[] bytes = ModelVariant.WithoutChecksum(RandomModels.Int8(1, 2, 3, 1, 1));
        int refused = 0;
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            try
            {
                var session = new InferenceSession(EdgeModel.Parse(Flip(bytes, bit)));
                float[] y = new float[session.Model.OutputCount];
                session.Step(new float[session.Model.InputCount], y);
                Assert.All(y, value => Assert.True(float.IsFinite(value)));
            }
            catch (ModelFormatException)
            {
                refused++;
            }
        }

        Assert.True(refused > bytes.Length, "most flips fall into the header and must be noticed");
    }

    [Theory]
    [InlineData("not JSON", "not valid JSON", "{\"a\":")]
    [InlineData("no object", "not a JSON object", "[]")]
    [InlineData("too long", "follow the last tensor", "{\"a\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]}}")]
    [InlineData("out of range", "do not lie within", "{\"a\":{\"dtype\":\"I8\",\"shape\":[9],\"data_offsets\":[0,9]}}")]
    [InlineData("backwards", "do not lie within", "{\"a\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[8,0]}}")]
    [InlineData("negative", "do not lie within", "{\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[-1,7]}}")]
    [InlineData("wrong size", "the shape needs 4", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}")]
    [InlineData(
        "absurd shape",
        "more elements than",
        "{\"a\":{\"dtype\":\"I8\",\"shape\":[2000000000,2000000000],\"data_offsets\":[0,8]}}")]
    [InlineData(
        "overflowing shape",
        "not a whole number",
        "{\"a\":{\"dtype\":\"I8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}")]
    [InlineData("negative dimension", "not a whole number", "{\"a\":{\"dtype\":\"I8\",\"shape\":[-8],\"data_offsets\":[0,8]}}")]
    [InlineData("many dimensions", "8 is the limit", "{\"a\":{\"dtype\":\"I8\",\"shape\":[1,1,1,1,1,1,1,1,8],\"data_offsets\":[0,8]}}")]
    [InlineData(
        "overlap",
        "overlap",
        "{\"a\":{\"dtype\":\"I8\",\"shape\":[6],\"data_offsets\":[0,6]},\"b\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[4,8]}}")]
    [InlineData(
        "hole",
        "leave a hole",
        "{\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[4,8]}}")]
    [InlineData(
        "twice",
        "appears twice",
        "{\"a\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[4,8]}}")]
    [InlineData("unknown type", "'Q4' is not known", "{\"a\":{\"dtype\":\"Q4\",\"shape\":[8],\"data_offsets\":[0,8]}}")]
    [InlineData("extra key", "not exactly", "{\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[0,8],\"more\":1}}")]
    [InlineData(
        "metadata no text",
        "not a string",
        "{\"__metadata__\":{\"k\":1},\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[0,8]}}")]
    [InlineData(
        "metadata no object",
        "not an object",
        "{\"__metadata__\":[],\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[0,8]}}")]
    [InlineData("deep", "not valid JSON", "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}")]
    [InlineData("another's model", "not one of edge-quantize", "{\"a\":{\"dtype\":\"I8\",\"shape\":[8],\"data_offsets\":[0,8]}}")]
    public void Each_lie_in_the_header_is_named(string lie, string sentence, string header)
    {
        _ = lie;
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + text.Length + 8];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)text.Length);
        text.CopyTo(file, 8);
        Assert.Contains(sentence, Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(file)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ulong.MaxValue, "does not begin as a safetensors file does")]
    [InlineData(1ul << 40, "does not begin as a safetensors file does")]
    [InlineData(9ul, "header should have 9 bytes; the file has 8")]
    public void A_header_length_beyond_the_file_is_refused(ulong length, string sentence)
    {
        byte[] file = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        Assert.Contains(
            sentence,
            Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(file)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"format\":1", "\"format\":4", "Update edge-runtime")]
    [InlineData("\"format\":1", "\"format\":0", "'format' must be")]
    [InlineData("\"type\":\"lstm\"", "\"type\":\"lxtm\"", "does not know a layer of this type")]
    [InlineData("\"gate_shift\":10", "\"gate_shift\":40", "'gate_shift' must be")]
    [InlineData("\"hidden\":3", "\"hidden\":4", "but must be")]
    [InlineData("\"hidden\":3", "\"hidden\":0", "'hidden' must be")]
    [InlineData("\"output\":1", "\"output\":2", "but must be")]
    public void Each_lie_in_the_architecture_is_named(string was, string becomes, string sentence) =>
        Assert.Contains(
            sentence,
            Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(Rewrite("edge", was, becomes))).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("[\"c0\",\"c1\"]", "[\"c0\",\"c0\"]", "different columns")]
    [InlineData("[\"c0\",\"c1\"]", "[\"c0\"]", "values for 1 column")]
    [InlineData("\"std\":[1,2]", "\"std\":[1,0]", "greater than 0")]
    [InlineData("\"std\":[1,2]", "\"std\":[1,1e999]", "finite numbers")]
    [InlineData("\"period_seconds\":1", "\"period_seconds\":-1", "'period_seconds' must be")]
    [InlineData("c0[t\\u002B1]", "c9[t\\u002B1]", "write COLUMN[t+N]")]
    [InlineData("c0[t\\u002B1]", "c0[t\\u002B0]", "N from 1")]
    [InlineData("\"mean\"", "\"moan\"", "no 'mean'")]
    public void Each_lie_in_the_manifest_is_named(string was, string becomes, string sentence) =>
        Assert.Contains(
            sentence,
            Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(Rewrite("manifest", was, becomes))).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("input.scale", "scale")]
    [InlineData("head.scale", "scale")]
    [InlineData("layers.0.input_weight", "missing")]
    [InlineData("layers.0.hidden_multiplier", "hidden_multiplier")]
    [InlineData("layers.0.recurrent_weight", "-128")]
    [InlineData("layers.0.bias", "bias")]
    [InlineData("layers.0.stray", "belongs to no layer")]
    public void Each_bad_tensor_is_named(string name, string sentence)
    {
        TensorFile file = TensorFile.Parse(ModelVariant.WithoutChecksum(RandomModels.Int8(1, 2, 3, 1, 1)));
        var tensors = new Dictionary<string, Tensor>(file.Tensors);
        switch (name)
        {
            case "input.scale":
                tensors[name] = Tensor.Of("F32", new[] { 1f, float.NaN }, 2);
                break;
            case "head.scale":
                tensors[name] = Tensor.Of("F32", new[] { float.PositiveInfinity }, 1);
                break;
            case "layers.0.input_weight":
                tensors.Remove(name);
                break;
            case "layers.0.hidden_multiplier":
                tensors[name] = Tensor.Of("I16", new short[] { 127, 0, 127 }, 3);
                break;
            case "layers.0.recurrent_weight":
                tensors[name] = Tensor.Of("I8", Enumerable.Repeat(sbyte.MinValue, 36).ToArray(), 12, 3);
                break;
            case "layers.0.bias":
                tensors[name] = Tensor.Of("I32", Enumerable.Repeat(int.MinValue, 12).ToArray(), 12);
                break;
            default:
                tensors[name] = Tensor.Of("I8", new sbyte[] { 1 }, 1);
                break;
        }

        byte[] bytes = TensorFile.Write(tensors, file.Metadata);
        Assert.Contains(sentence, Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_model_file_is_one_sentence_with_its_path() =>
        Assert.Contains(
            "'/no/such.safetensors' does not exist",
            Assert.Throws<ModelFormatException>(() => EdgeModel.Load("/no/such.safetensors")).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_model_of_readings_and_a_symbol_survives_writing_and_reading_byte_for_byte()
    {
        byte[] bytes = RandomModels.Int8WithSymbol(1, 3, 5, 2);
        EdgeModel model = EdgeModel.Parse(bytes);
        Assert.Equal(bytes, model.ToBytes());
        Assert.Equal((4, RandomModels.Symbols, 3), (model.InputCount, model.Manifest.SymbolCount, model.Manifest.SymbolColumn));
    }

    [Theory]
    [InlineData("edge", "\"format\":3", "\"format\":2", "is 2, but it has parts of format 3")]
    [InlineData("edge", "\"symbols\":11", "\"symbols\":12", "but must be")]
    [InlineData("manifest", "\"c3\"]", "\"c3\",\"c4\"]", "for 5 columns")]
    [InlineData("manifest", "\"mean\":[0,1,2,0]", "\"mean\":[0,1,2,3]", "'c3'. Name the column of symbols last in 'columns'")]
    [InlineData("manifest", "\"std\":[1,2,3,1]", "\"std\":[1,2,3,4]", "'c3'. Name the column of symbols last in 'columns'")]
    public void Each_lie_of_a_model_of_readings_and_a_symbol_is_named(string metadata, string was, string becomes, string sentence) =>
        Assert.Contains(
            sentence,
            Assert.Throws<ModelFormatException>(
                () => EdgeModel.Parse(Rewrite(metadata, was, becomes, RandomModels.Int8WithSymbol(1, 3, 5, 2)))).Message,
            StringComparison.Ordinal);

    private static void Refuses(byte[] file, int bit) =>
        Assert.InRange(Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(Flip(file, bit))).Message.Length, 20, 400);

    private static byte[] Flip(byte[] file, int bit)
    {
        byte[] damaged = [.. file];
        damaged[bit / 8] ^= (byte)(1 << (bit % 8));
        return damaged;
    }

    private static byte[] Rewrite(string metadata, string was, string becomes, byte[]? model = null)
    {
        TensorFile file = TensorFile.Parse(ModelVariant.WithoutChecksum(model ?? RandomModels.Int8(1, 2, 3, 1, 1)));
        Assert.Contains(was, file.Metadata[metadata], StringComparison.Ordinal);
        return TensorFile.Write(
            file.Tensors,
            new Dictionary<string, string>(file.Metadata)
            {
                [metadata] = file.Metadata[metadata].Replace(was, becomes, StringComparison.Ordinal),
            });
    }
}
