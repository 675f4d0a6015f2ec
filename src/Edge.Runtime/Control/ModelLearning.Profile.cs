using System.Security.Cryptography;
using Edge.Inference;
using Edge.Streams;

namespace Edge.Runtime.Control;

/// <summary>The part that learns what is normal for a model whose weights stay.</summary>
internal sealed partial class ModelLearning
{
    private static string What(LearningStream stream) => stream.Options.IsProfile ? "profile" : "model";

    /// <summary>
    /// Whether what is in use was learned here, or is the model that it was learned for: after a rollback that stays. A model that has come
    /// since then has not got a profile of this device, and gets one as soon as a first one would.
    /// </summary>
    private bool HasLearned(LearningStream stream, SensorStream running) => !stream.Options.IsProfile
        ? running.Manifest.IsTrained
        : Profiled(stream).Contains(running.Engine.ModelSha256);

    private bool IsResult(LearningStream stream, SensorStream running) => Profiled(stream) is [_, var result]
        && result == running.Engine.ModelSha256;

    // Which model the profile was learned for, and what came of it.
    private void RememberProfile(LearningStream stream, string inUse, string path)
    {
        string sha256 = Convert.ToHexStringLower(SHA256.HashData(RegularFile.ReadBytes(path, ModelAssembly.ModelMaxBytes)));
        _store.Remember(ProfiledKey(stream), $"{inUse} {sha256}");
    }

    // A profile that another model has come before would bring the weights of the old one back.
    private string? WhyNotNow(LearningStream stream, string sha256) =>
        Profiled(stream) is [var before, var result] && result == sha256 && before == _control(stream.Name).Stream.Engine.ModelSha256
            ? null
            : "another model came into use while it was learned. It is learned again.";

    // The model and the same with its profile; empty before the first.
    private string[] Profiled(LearningStream stream) =>
        (_store.Recall(ProfiledKey(stream)) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string ProfiledKey(LearningStream stream) => $"learn:{stream.Name}:profiled";
}
