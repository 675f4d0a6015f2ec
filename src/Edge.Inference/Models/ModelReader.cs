using System.Text.Json;

namespace Edge.Inference.Models;

/// <summary>Reads the entries of a model file and checks each: tensors are read once, numbers are within their range.</summary>
internal sealed class ModelReader(TensorFile file)
{
    private readonly HashSet<string> _taken = [];

    /// <summary>A tensor of exactly this type and shape.</summary>
    internal T[] Take<T>(string name, string dtype, params int[] shape)
        where T : unmanaged
    {
        if (!file.Tensors.TryGetValue(name, out Tensor tensor))
        {
            throw new ModelFormatException($"Tensor '{name}' is missing. The file is damaged or not made by edge-quantize.");
        }

        if (tensor.DType != dtype || !tensor.Shape.SequenceEqual(shape))
        {
            throw new ModelFormatException(
                $"Tensor '{name}' is {tensor.DType}[{string.Join(", ", tensor.Shape)}], but must be {dtype}[{string.Join(", ", shape)}]. "
                    + $"The file is damaged.");
        }

        _taken.Add(name);
        return tensor.ToArray<T>();
    }

    /// <summary>The same, or null where the file has no such tensor.</summary>
    internal T[]? TakeIfThere<T>(string name, string dtype, params int[] shape)
        where T : unmanaged => file.Tensors.ContainsKey(name) ? Take<T>(name, dtype, shape) : null;

    /// <summary>Weights of either width, as int16.</summary>
    internal short[] TakeWeights(string name, int rows, int columns) =>
        file.Tensors.TryGetValue(name, out Tensor tensor) && tensor.DType == "I16"
        ? Take<short>(name, "I16", rows, columns) : Array.ConvertAll(Take<sbyte>(name, "I8", rows, columns), weight => (short)weight);

    /// <summary>Refuses a file with tensors that were not read.</summary>
    internal void RequireAllTaken()
    {
        string? stray = file.Tensors.Keys.FirstOrDefault(name => !_taken.Contains(name));
        if (stray is not null)
        {
            throw new ModelFormatException($"Tensor '{stray}' belongs to no layer. The file is damaged or made by a later version.");
        }
    }

    /// <summary>A whole number within its range; <paramref name="otherwise"/>, where given, if the key is absent.</summary>
    internal static int Number(
        JsonElement element, string key, int min, int max, string where = "Metadata 'edge'", int? otherwise = null) =>
        (int)LongNumber(element, key, min, max, where, otherwise);

    /// <summary>The same of 64 bits.</summary>
    internal static long LongNumber(JsonElement element, string key, long min, long max, string where, long? otherwise = null)
    {
        RequireObject(element, where);
        if (!element.TryGetProperty(key, out JsonElement value) && otherwise is { } absent)
        {
            return absent;
        }

        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number) || number < min || number > max)
        {
            throw new ModelFormatException(
                $"{where}: '{key}' must be a whole number from {min} to {max}. The file is damaged or made by a later version.");
        }

        return number;
    }

    /// <summary>One of the names of an enumeration, in lower case; <paramref name="otherwise"/> if the key is absent.</summary>
    internal static T Choice<T>(JsonElement element, string key, string where, T otherwise, params ReadOnlySpan<T> allowed)
        where T : struct, Enum
    {
        RequireObject(element, where);
        if (!element.TryGetProperty(key, out JsonElement value))
        {
            return otherwise;
        }

        foreach (T candidate in allowed)
        {
            if (value.ValueKind == JsonValueKind.String && value.ValueEquals(Name(candidate)))
            {
                return candidate;
            }
        }

        throw new ModelFormatException(
            $"{where}: this version does not know this '{key}'. Update edge-runtime or quantize the model again.");
    }

    /// <summary>How a file writes a choice.</summary>
    internal static string Name<T>(T choice)
        where T : struct, Enum => choice.ToString().ToLowerInvariant();

    private static void RequireObject(JsonElement element, string where)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException($"{where} is not a JSON object. The file is damaged.");
        }
    }
}
