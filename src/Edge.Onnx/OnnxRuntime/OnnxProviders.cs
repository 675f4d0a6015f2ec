using System.Globalization;
using System.Text.RegularExpressions;
using Edge.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>Tries execution providers in order of preference, and records why those before the chosen one failed.</summary>
internal static partial class OnnxProviders
{
    private static readonly Dictionary<string, List<OrtEpDevice>> Registered = [];

    /// <summary>Opens a model with the first provider that can.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="open">
    /// Opens it by a provider, with a sentence for each that refused; ONNX Runtime's exception means that this one cannot.
    /// </param>
    /// <exception cref="ModelFormatException">None can.</exception>
    internal static T Open<T>(OnnxOptions options, Func<SessionOptions, string, IReadOnlyList<string>, T> open)
    {
        var refused = new List<string>();
        foreach (string provider in options.Providers)
        {
            bool isThere = false;
            try
            {
                using SessionOptions session = Create(options, provider);
                isThere = true;
                return open(session, provider, refused);
            }
            catch (Exception e) when (
                e is OnnxRuntimeException or EntryPointNotFoundException || (e is ModelFormatException && !isThere))
            {
                refused.Add(Explain(provider, e.Message));
            }
        }

        throw new ModelFormatException(
            $"ONNX Runtime {OnnxLibrary.Version} cannot run this model with any of the providers {string.Join(", ", options.Providers)}: "
                + $"{string.Join(" ", refused)}");
    }

    /// <summary>The memory of the device that a provider computes on; null for the host's.</summary>
    internal static OrtMemoryInfo? MemoryOf(string provider, OnnxOptions options) => provider == "cpu"
        ? null
        : new OrtMemoryInfo("Cuda", OrtAllocatorType.DeviceAllocator, options.Device, OrtMemType.Default);

    /// <summary>Why a provider is not available, as a sentence for the user.</summary>
    internal static string Explain(string provider, string message)
    {
        string line = string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (provider != "cpu" && MissingPattern().Match(line) is { Success: true } match)
        {
            string missing = match.Groups[1].Value;
            string of = missing.StartsWith("libcudnn", StringComparison.Ordinal) ? "cuDNN"
                : missing.StartsWith("libcuda.", StringComparison.Ordinal) ? "the NVIDIA driver"
                : missing.StartsWith("libnvinfer", StringComparison.Ordinal) ? "TensorRT"
                : missing.StartsWith("libonnxruntime", StringComparison.Ordinal) ? "ONNX Runtime for GPUs"
                : "CUDA";
            return $"{provider}: {missing} is missing, which is part of {of}. "
                + $"Install it, or remove '{provider}' from onnxruntime.providers.";
        }

        if (provider != "cpu"
            && (line.Contains("not enabled in this build", StringComparison.Ordinal)
                || line.Contains("EntryPoint", StringComparison.OrdinalIgnoreCase)
                || line.Contains("entry point", StringComparison.OrdinalIgnoreCase)))
        {
            return $"{provider}: this libonnxruntime.so was built without it. Set onnxruntime.library to one that has it (docs/jetson.md).";
        }

        if (line.Contains("CUDA_ERROR_NO_DEVICE", StringComparison.Ordinal)
            || line.Contains("no CUDA-capable device", StringComparison.Ordinal))
        {
            return $"{provider}: the driver finds no GPU. Check nvidia-smi, or tegrastats on a Jetson.";
        }

        if (line.Contains("driver version is insufficient", StringComparison.Ordinal))
        {
            return $"{provider}: the NVIDIA driver is missing or older than this CUDA. Install the matching driver.";
        }

        if (DevicePattern().Match(line) is { Success: true } device)
        {
            return $"{provider}: there is no GPU {device.Groups[1].Value}. onnxruntime.device counts them from 0, and there "
                + $"{(device.Groups[2].Value == "1" ? "is 1" : $"are {device.Groups[2].Value}")}.";
        }

        line = SourcePattern().Replace(line, "");
        return $"{provider}: {(line.Length > 300 ? line[..300] + "…" : line).TrimEnd('.')}.";
    }

    private static SessionOptions Create(OnnxOptions options, string provider)
    {
        var session = new SessionOptions
        {
            IntraOpNumThreads = options.Threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        try
        {
            // Threads that wait for a tick must not spin.
            session.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
            switch (provider)
            {
                case "cuda":
                    AddCuda(session, options);
                    break;
                case "tensorrt":
                    AddTensorRt(session, options);

                    // What TensorRT cannot compute stays on the GPU.
                    AddCuda(session, options);
                    break;
            }

            return session;
        }
        catch (Exception)
        {
            session.Dispose();
            throw;
        }
    }

    private static void AddCuda(SessionOptions session, OnnxOptions options)
    {
        Dictionary<string, string> given = CudaOptions(options);
        if (!OrtEnv.Instance().GetAvailableProviders().Contains("CUDAExecutionProvider") && PlugIns("cuda") is { Count: > 0 } devices)
        {
            session.AppendExecutionProvider(OrtEnv.Instance(), [devices[Math.Min(options.Device, devices.Count - 1)]], given);
            return;
        }

        using var cuda = new OrtCUDAProviderOptions();
        cuda.UpdateOptions(given);
        session.AppendExecutionProvider_CUDA(cuda);
    }

    private static void AddTensorRt(SessionOptions session, OnnxOptions options)
    {
        Dictionary<string, string> given = TensorRtOptions(options);
        if (!OrtEnv.Instance().GetAvailableProviders().Contains("TensorrtExecutionProvider")
            && PlugIns("tensorrt") is { Count: > 0 } devices)
        {
            session.AppendExecutionProvider(OrtEnv.Instance(), [devices[Math.Min(options.Device, devices.Count - 1)]], given);
            return;
        }

        using var tensorrt = new OrtTensorRTProviderOptions();
        tensorrt.UpdateOptions(given);
        session.AppendExecutionProvider_Tensorrt(tensorrt);
    }

    // A library without a built-in provider loads it as a plug-in from the file next to it. Returns its devices, or none.
    private static List<OrtEpDevice> PlugIns(string provider)
    {
        string file = Path.Combine(OnnxLibrary.Folder, $"libonnxruntime_providers_{provider}.so");
        if (!File.Exists(file))
        {
            return [];
        }

        string name = $"edge_{provider}";
        lock (Registered)
        {
            if (!Registered.TryGetValue(name, out List<OrtEpDevice>? devices))
            {
                string[] before = [.. OrtEnv.Instance().GetEpDevices().Select(device => device.EpName)];
                OrtEnv.Instance().RegisterExecutionProviderLibrary(name, file);
                devices = [.. OrtEnv.Instance().GetEpDevices().Where(device => !before.Contains(device.EpName))];
                Registered[name] = devices;
            }

            return devices.Count > 0 ? devices : throw new ModelFormatException("no CUDA-capable device is detected");
        }
    }

    private static Dictionary<string, string> CudaOptions(OnnxOptions options)
    {
        // Products of 32-bit floats are not rounded to TF32, which has 10 bits behind the point.
        var given = new Dictionary<string, string>
        {
            ["device_id"] = options.Device.ToString(CultureInfo.InvariantCulture),
            ["use_tf32"] = "0",
        };
        if (options.MemoryMaxBytes is { } most)
        {
            given["gpu_mem_limit"] = most.ToString(CultureInfo.InvariantCulture);
        }

        return given;
    }

    private static Dictionary<string, string> TensorRtOptions(OnnxOptions options)
    {
        var given = new Dictionary<string, string>
        {
            ["device_id"] = options.Device.ToString(CultureInfo.InvariantCulture),
            ["trt_fp16_enable"] = options.Half ? "1" : "0",
        };
        if (options.CacheFolder is { } folder)
        {
            given["trt_engine_cache_enable"] = "1";
            given["trt_engine_cache_path"] = folder;
        }

        return given;
    }

    // As the loader says it.
    [GeneratedRegex(@"([\w.+-]+\.so[\w.]*): cannot open shared object")]
    private static partial Regex MissingPattern();

    [GeneratedRegex(@"Invalid device ID: (\d+), must be between 0 \(inclusive\) and (\d+)")]
    private static partial Regex DevicePattern();

    // Where in ONNX Runtime's source something was found, and its kinds of errors.
    [GeneratedRegex(@"\[ErrorCode:\w+\] |\[ONNXRuntimeError\] : \d+ : \w+ : |(\S+/)?\S+\.(cc|h):\d+ ")]
    private static partial Regex SourcePattern();
}
