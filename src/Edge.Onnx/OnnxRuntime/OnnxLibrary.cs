using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Edge.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>ONNX Runtime's native library: the one that came along, or a path. Looked over before anything is called in it.</summary>
internal static class OnnxLibrary
{
    private const string Name = "onnxruntime";

    private static readonly Lock Gate = new();
    private static nint Handle;
    private static string? LoadedFrom;

    /// <summary>Version of the library in use: <c>1.29.0</c>.</summary>
    internal static string Version { get; private set; } = "";

    /// <summary>The folder it was loaded from: its providers lie beside it.</summary>
    internal static string Folder => Path.GetDirectoryName(Path.GetFullPath(LoadedFrom ?? OwnFile))!;

    /// <summary>Loads the library, once for the process.</summary>
    /// <param name="path">Its path; null for the one that came along.</param>
    /// <exception cref="ModelFormatException">It is not there, not ONNX Runtime, too old, or another is in use already.</exception>
    internal static unsafe void Load(string? path)
    {
        lock (Gate)
        {
            if (Handle != 0)
            {
                if (path is not null && path != LoadedFrom)
                {
                    throw new ModelFormatException($"onnxruntime.library: '{path}' cannot be taken while '{LoadedFrom ?? "the library that came along"}' is loaded. Restart the service.");
                }

                return;
            }

            nint handle = path is null ? OpenOwn() : Open(path);
            string shown = path ?? "The library that came along";
            if (!NativeLibrary.TryGetExport(handle, "OrtGetApiBase", out nint entry))
            {
                throw new ModelFormatException($"onnxruntime.library: '{shown}' is a library, but not ONNX Runtime: it has no OrtGetApiBase. Give the path of libonnxruntime.so.");
            }

            // struct OrtApiBase { const OrtApi* (*GetApi)(uint32_t version); const char* (*GetVersionString)(); }
            void** api = ((delegate* unmanaged<void**>)entry)();
            string version = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)api[1])()) ?? "";
            if (ApiVersionOf(version) < ApiVersion || ((delegate* unmanaged<uint, void*>)api[0])(ApiVersion) == null)
            {
                throw new ModelFormatException($"onnxruntime.library: '{shown}' is ONNX Runtime {version}; this build speaks to 1.{ApiVersion} or later. Give a newer library, or build with an older Microsoft.ML.OnnxRuntime.");
            }

            NativeLibrary.SetDllImportResolver(typeof(SessionOptions).Assembly, (name, _, _) => name.Contains(Name, StringComparison.Ordinal) ? handle : 0);
            Version = version;
            LoadedFrom = path;
            Handle = handle;
        }
    }

    // What the managed half was made for: it reads the native table up to there.
    private static uint ApiVersion { get; } = ApiVersionOf(
        typeof(OnnxLibrary).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(item => item.Key == "OnnxRuntimeVersion").Value!);

    private static uint ApiVersionOf(string version) =>
        version.Split('.') is ["1", string minor, ..] && uint.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out uint api) ? api : 0;

    private static nint Open(string path)
    {
        if (!File.Exists(path))
        {
            throw new ModelFormatException($"onnxruntime.library: '{path}' does not exist. On a Jetson it comes with onnxruntime-gpu (docs/jetson.md); remove the key to use the library that came along.");
        }

        try
        {
            return ElfFile.Problem(path) is { } problem ? throw new BadImageFormatException(problem) : NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or IOException or UnauthorizedAccessException)
        {
            throw new ModelFormatException($"onnxruntime.library: '{path}' cannot be loaded: {Reason(e, path)} Give a libonnxruntime.so for this processor, with all it needs beside it.", e);
        }
    }

    private static string OwnFile => Path.Combine(
        AppContext.BaseDirectory, "runtimes", RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64", "native", "libonnxruntime.so");

    private static nint OpenOwn() =>
        NativeLibrary.TryLoad(Name, typeof(SessionOptions).Assembly, null, out nint handle) || NativeLibrary.TryLoad(OwnFile, out handle)
            ? handle
            : throw new ModelFormatException("ONNX Runtime's library is not beside the program. Install libonnxruntime.so and say where: onnxruntime: { library: PATH }.");

    // The loader names what is missing, after a preamble of its own.
    private static string Reason(Exception e, string path)
    {
        string line = e.Message.Split('\n').FirstOrDefault(each => each.Contains(path, StringComparison.Ordinal) && each.Contains(": ", StringComparison.Ordinal)) ?? e.Message;
        return line.Trim().TrimEnd('.') + ".";
    }
}
