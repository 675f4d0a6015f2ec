using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace Edge.Testing;

/// <summary>Models that differ from one in their bytes: the same weights under another note, or with some of the head's spoilt.</summary>
internal static class ModelVariant
{
    /// <param name="original">The model.</param>
    /// <param name="number">What the note says.</param>
    /// <param name="isWorse">Whether half of the head's weights are zero.</param>
    /// <param name="rename">Another name for it, or null.</param>
    /// <param name="baselines">
    /// The errors of simple forecasts that the file shall tell, each as a multiple of the model's own; null for those that it tells.
    /// </param>
    internal static byte[] Of(
        byte[] original, int number, bool isWorse = false, string? rename = null, params (string Name, double Factor)[]? baselines)
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(original);
        JsonObject header = JsonNode.Parse(original.AsSpan(8, length))!.AsObject();
        JsonObject metadata = header["__metadata__"]!.AsObject();
        metadata["provenance"] = $$"""{"variant":{{number}}}""";
        RemoveChecksum(metadata);
        if (rename is not null)
        {
            string manifest = metadata.First(
                entry => entry.Value!.GetValue<string>().Contains("\"columns\"", StringComparison.Ordinal)).Key;
            metadata[manifest] = metadata[manifest]!.GetValue<string>()
                .Replace("\"name\":\"greenhouse\"", $"\"name\":\"{rename}\"", StringComparison.Ordinal);
        }

        if (baselines is not null)
        {
            JsonNode manifest = JsonNode.Parse(metadata["manifest"]!.GetValue<string>())!;
            double[] errors = [.. manifest["output_rmse_normalised"]!.AsArray().Select(error => error!.GetValue<double>())];
            manifest["baseline_rmse_normalised"] = new JsonObject(baselines.Select(each => KeyValuePair.Create(
                each.Name, (JsonNode?)new JsonArray([.. errors.Select(error => (JsonNode)(each.Factor * error))]))));
            metadata["manifest"] = manifest.ToJsonString();
        }

        byte[] data = original[(8 + length)..];
        if (isWorse)
        {
            JsonArray place = header.First(
                entry =>
                    entry.Key.StartsWith("head", StringComparison.Ordinal)
                        && entry.Key.EndsWith("weight", StringComparison.Ordinal)).Value!["data_offsets"]!.AsArray();
            data.AsSpan(place[0]!.GetValue<int>(), (place[1]!.GetValue<int>() - place[0]!.GetValue<int>()) / 2).Clear();
        }

        return File(header, data);
    }

    /// <summary>The same model as an earlier version wrote it, so that a lie in it is not refused as damage.</summary>
    internal static byte[] WithoutChecksum(byte[] original)
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(original);
        JsonObject header = JsonNode.Parse(original.AsSpan(8, length))!.AsObject();
        RemoveChecksum(header["__metadata__"]!.AsObject());
        return File(header, original[(8 + length)..]);
    }

    /// <summary>The same model with another name for one of its outputs, which says what the output is.</summary>
    internal static byte[] WithOutput(byte[] original, string output, string name)
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(original);
        JsonObject header = JsonNode.Parse(original.AsSpan(8, length))!.AsObject();
        JsonObject metadata = header["__metadata__"]!.AsObject();
        JsonNode manifest = JsonNode.Parse(metadata["manifest"]!.GetValue<string>())!;
        JsonArray outputs = manifest["outputs_named"]!.AsArray();
        outputs[outputs.Select(each => each!.GetValue<string>()).ToList().IndexOf(output)] = name;
        metadata["manifest"] = manifest.ToJsonString();
        RemoveChecksum(metadata);
        return File(header, original[(8 + length)..]);
    }

    private static void RemoveChecksum(JsonObject metadata)
    {
        metadata.Remove("checksum");
        metadata.Remove("sha256");
    }

    private static byte[] File(JsonObject header, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header.ToJsonString());
        text = [.. text, .. Enumerable.Repeat((byte)' ', (8 - (text.Length % 8)) % 8)];
        byte[] file = [.. new byte[8], .. text, .. data];
        BinaryPrimitives.WriteInt64LittleEndian(file, text.Length);
        return file;
    }
}
