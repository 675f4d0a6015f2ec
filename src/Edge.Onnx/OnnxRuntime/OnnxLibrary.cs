using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Edge.Inference;
using Microsoft.ML.OnnxRuntime;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>ONNX Runtime's native library: the bundled one, or a path. It is checked before it is called.</summary>
internal static class OnnxLibrary
{
    private const string Name = "onnxruntime";

    private static readonly Lock Gate = new();
    private static nint Handle;
    private static string? LoadedFrom;

    /// <summary>Version of the library in use: <c>1.29.0</c>.</summary>
    internal static string Version { get; private set; } = "";

    /// <summary>The folder it was loaded from, which also has its providers.</summary>
    internal static string Folder => Path.GetDirectoryName(Path.GetFullPath(LoadedFrom ?? OwnFile))!;

    /// <summary>Loads the library, once for the process.</summary>
    /// <param name="path">Its path; null for the bundled one.</param>
    /// <exception cref="ModelFormatException">It does not exist, is not ONNX Runtime or too old, or another one is in use.</exception>
    internal static unsafe void Load(string? path)
    {
        lock (Gate)
        {
            if (Handle != 0)
            {
                if (path is not null && path != LoadedFrom)
                {
                    throw new ModelFormatException(
                        $"onnxruntime.library: '{path}' cannot be loaded, because '{LoadedFrom ?? "the bundled library"}' is loaded. "
                            + $"Restart the service.");
                }

                return;
            }

            nint handle = path is null ? OpenOwn() : Open(path);
            string shown = path ?? "The bundled library";
            if (!NativeLibrary.TryGetExport(handle, "OrtGetApiBase", out nint entry))
            {
                throw new ModelFormatException(
                    $"onnxruntime.library: '{shown}' is not ONNX Runtime: it has no OrtGetApiBase. Set the path of libonnxruntime.so.");
            }

            // struct OrtApiBase { const OrtApi* (*GetApi)(uint32_t version); const char* (*GetVersionString)(); }
            void** api = ((delegate* unmanaged<void**>)entry)();
            string version = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)api[1])()) ?? "";
            if (ApiVersionOf(version) < ApiVersion || ((delegate* unmanaged<uint, void*>)api[0])(ApiVersion) == null)
            {
                throw new ModelFormatException(
                    $"onnxruntime.library: '{shown}' is ONNX Runtime {version}; this build needs 1.{ApiVersion} or later. "
                        + $"Use a newer library, or build with an older Microsoft.ML.OnnxRuntime.");
            }

            NativeLibrary.SetDllImportResolver(
                typeof(SessionOptions).Assembly,
                (name, _, _) => name.Contains(Name, StringComparison.Ordinal) ? handle : 0);

            // What goes wrong comes as an exception, too; its own lines on the console would say it twice.
            var environment = new EnvironmentCreationOptions { logId = "edge", logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
            OrtEnv.CreateInstanceWithOptions(ref environment);
            Version = version;
            LoadedFrom = path;
            Handle = handle;
        }
    }

    // The version that the managed library was built for: it reads the native table up to this version.
    private static uint ApiVersion { get; } = ApiVersionOf(
        typeof(OnnxLibrary).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .First(item => item.Key == "OnnxRuntimeVersion").Value!);

    private static uint ApiVersionOf(string version) =>
        version.Split('.') is ["1", string minor, ..] && uint.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out uint api)
            ? api
            : 0;

    private static nint Open(string path)
    {
        if (!File.Exists(path))
        {
            throw new ModelFormatException(
                $"onnxruntime.library: '{path}' does not exist. On a Jetson it comes with onnxruntime-gpu (docs/jetson.md); "
                    + $"remove the key to use the bundled library.");
        }

        try
        {
            return ElfFile.Problem(path) is { } problem ? throw new BadImageFormatException(problem) : NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or IOException or UnauthorizedAccessException)
        {
            throw new ModelFormatException(
                $"onnxruntime.library: '{path}' cannot be loaded: "
                    + $"{Reason(e, path)} Use a libonnxruntime.so for this processor, with its dependencies next to it.",
                e);
        }
    }

    // Folder and file as in the package Microsoft.ML.OnnxRuntime.
    private static string OwnFile
    {
        get
        {
            (string system, string file) = OperatingSystem.IsWindows() ? ("win", "onnxruntime.dll")
                : OperatingSystem.IsMacOS() ? ("osx", "libonnxruntime.dylib")
                : ("linux", "libonnxruntime.so");
            string processor = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "arm64" : "x64";
            return Path.Combine(AppContext.BaseDirectory, "runtimes", $"{system}-{processor}", "native", file);
        }
    }

    private static nint OpenOwn() =>
        NativeLibrary.TryLoad(Name, typeof(SessionOptions).Assembly, null, out nint handle) || NativeLibrary.TryLoad(OwnFile, out handle)
            ? handle
            : throw new ModelFormatException(
                "ONNX Runtime's library is not next to the program. Install libonnxruntime.so and set its path: onnxruntime: { library: "
                    + "PATH }.");

    // The loader names what is missing, after a preamble of its own.
    private static string Reason(Exception e, string path)
    {
        string line = e.Message.Split('\n')
            .FirstOrDefault(each => each.Contains(path, StringComparison.Ordinal) && each.Contains(": ", StringComparison.Ordinal))
            ?? e.Message;
        return line.Trim().TrimEnd('.') + ".";
    }
}
