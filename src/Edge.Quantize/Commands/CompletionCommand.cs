using System.CommandLine;

namespace Edge.Quantize.Commands;

/// <summary><c>completion</c>: prints a script for shell completion.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _edge_quantize() {
            local IFS=$'\n'
            local words="$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)"
            COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _edge_quantize edge-quantize
        """;

    private const string Zsh = """
        _edge_quantize() {
            local -a words_there
            words_there=("${(@f)$(edge-quantize "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a words_there || _files
        }
        compdef _edge_quantize edge-quantize
        """;

    internal static Command Create(TextWriter output)
    {
        var shell = new Argument<string>("SHELL") { Description = "bash or zsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var command = new Command("completion", "Prints a script for the completion of commands and options in a shell.") { shell };
        command.SetAction(parsed =>
        {
            output.WriteLine(parsed.GetRequiredValue(shell) == "bash" ? Bash : Zsh);
            return 0;
        });
        return command;
    }
}
