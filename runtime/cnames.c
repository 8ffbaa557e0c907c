/* SPDX-License-Identifier: Apache-2.0 */
/* cnames.c - names that C, C++ or the C library have taken. Contract in cnames.h.
 *
 * The library's are those of C11 and POSIX.1-2008. A row is words between blanks; `x_*` is all that begins so. */
#include "runtime/cnames.h"

#include <string.h>

/* Keywords of C and C++, alternative tokens, and a namespace of which no function may have the name. */
static const char *const keyword[] = {
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class ",
    " co_await co_return co_yield compl complex concept const const_cast consteval constexpr constinit continue ",
    " decltype default delete do double dynamic_cast else enum explicit export extern false float for friend goto ",
    " if imaginary inline int long mutable namespace new noexcept noreturn not not_eq nullptr operator or or_eq ",
    " private protected public register reinterpret_cast requires restrict return short signed sizeof static ",
    " static_assert static_cast std struct switch template this thread_local throw true try typedef typeid ",
    " typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq ",
};

/* What is a macro, or no function, in a header of C's; GNU C defines some before any header. */
static const char *const macro[] = {
    " assert ATOMIC_* atomic_* BIG_ENDIAN BUFSIZ BYTE_ORDER CHAR_BIT CHAR_MAX CHAR_MIN CHARCLASS_NAME_MAX CLOCK_* ",
    " CLOCKS_PER_SEC CMPLX CMPLXF CMPLXL daylight DBL_* DECIMAL_DIG DELAYTIMER_MAX DIR E2BIG EACCES EADDRINUSE ",
    " EADDRNOTAVAIL EADV EAFNOSUPPORT EAGAIN EALREADY EBADE EBADF EBADFD EBADMSG EBADR EBADRQC EBADSLT EBFONT ",
    " EBUSY ECANCELED ECHILD ECHRNG ECOMM ECONNABORTED ECONNREFUSED ECONNRESET edata EDEADLK EDEADLOCK ",
    " EDESTADDRREQ EDOM EDOTDOT EDQUOT EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EHWPOISON EIDRM EILSEQ ",
    " EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR EISNAM EKEYEXPIRED EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC ",
    " EL3HLT EL3RST ELIBACC ELIBBAD ELIBEXEC ELIBMAX ELIBSCN ELNRNG ELOOP EMEDIUMTYPE EMFILE EMLINK EMSGSIZE ",
    " EMULTIHOP ENAMETOOLONG ENAVAIL end ENETDOWN ENETRESET ENETUNREACH ENFILE ENOANO ENOBUFS ENOCSI ENODATA ",
    " ENODEV ENOENT ENOEXEC ENOKEY ENOLCK ENOLINK ENOMEDIUM ENOMEM ENOMSG ENONET ENOPKG ENOPROTOOPT ENOSPC ENOSR ",
    " ENOSTR ENOSYS ENOTBLK ENOTCONN ENOTDIR ENOTEMPTY ENOTNAM ENOTRECOVERABLE ENOTSOCK ENOTSUP ENOTTY ENOTUNIQ ",
    " environ ENXIO EOF EOPNOTSUPP EOVERFLOW EOWNERDEAD EPERM EPFNOSUPPORT EPIPE EPROTO EPROTONOSUPPORT ",
    " EPROTOTYPE ERANGE EREMCHG EREMOTE EREMOTEIO ERESTART ERFKILL EROFS errno ESHUTDOWN ESOCKTNOSUPPORT ESPIPE ",
    " ESRCH ESRMNT ESTALE ESTRPIPE etext ETIME ETIMEDOUT ETOOMANYREFS ETXTBSY EUCLEAN EUNATCH EUSERS EWOULDBLOCK ",
    " EXDEV EXFULL EXIT_FAILURE EXIT_SUCCESS FD_CLR FD_ISSET FD_SET FD_SETSIZE FD_ZERO FE_* FILE FILENAME_MAX ",
    " FLT_* FOPEN_MAX FP_* fpclassify HOST_NAME_MAX HUGE_VAL HUGE_VALF HUGE_VALL I i386 INFINITY INT16_C ",
    " INT16_MAX INT16_MIN INT32_C INT32_MAX INT32_MIN INT64_C INT64_MAX INT64_MIN INT8_C INT8_MAX INT8_MIN ",
    " INT_FAST16_MAX INT_FAST16_MIN INT_FAST32_MAX INT_FAST32_MIN INT_FAST64_MAX INT_FAST64_MIN INT_FAST8_MAX ",
    " INT_FAST8_MIN INT_LEAST16_MAX INT_LEAST16_MIN INT_LEAST32_MAX INT_LEAST32_MIN INT_LEAST64_MAX ",
    " INT_LEAST64_MIN INT_LEAST8_MAX INT_LEAST8_MIN INT_MAX INT_MIN INTMAX_C INTMAX_MAX INTMAX_MIN INTPTR_MAX ",
    " INTPTR_MIN isfinite isgreater isgreaterequal isless islessequal islessgreater isnormal isunordered ",
    " kill_dependency L_ctermid L_tmpnam LC_* LDBL_* LINE_MAX linux LITTLE_ENDIAN LLONG_MAX LLONG_MIN ",
    " LOGIN_NAME_MAX LONG_MAX LONG_MIN M_* MATH_ERREXCEPT math_errhandling MATH_ERRNO MAX_CANON MAX_INPUT ",
    " MB_CUR_MAX MB_LEN_MAX MINSIGSTKSZ MQ_PRIO_MAX NAME_MAX NAN NGROUPS_MAX NSIG NULL offsetof ONCE_FLAG_INIT ",
    " optarg opterr optind optopt P_tmpdir PATH_MAX PIPE_BUF PRI* PTRDIFF_MAX PTRDIFF_MIN RAND_MAX RTSIG_MAX ",
    " SCHAR_MAX SCHAR_MIN SCN* SEEK_CUR SEEK_END SEEK_SET SEM_VALUE_MAX SHRT_MAX SHRT_MIN SIG_* SIGABRT SIGALRM ",
    " SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL sigmask signbit signgam ",
    " SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT SIGRTMAX SIGRTMIN SIGSEGV sigsetjmp SIGSTKFLT SIGSTKSZ SIGSTOP ",
    " SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ ",
    " SIZE_MAX SSIZE_MAX stderr stdin stdout TIME_UTC timezone TMP_MAX TSS_DTOR_ITERATIONS TTY_NAME_MAX tzname ",
    " UCHAR_MAX UINT16_C UINT16_MAX UINT32_C UINT32_MAX UINT64_C UINT64_MAX UINT8_C UINT8_MAX UINT_FAST16_MAX ",
    " UINT_FAST32_MAX UINT_FAST64_MAX UINT_FAST8_MAX UINT_LEAST16_MAX UINT_LEAST32_MAX UINT_LEAST64_MAX ",
    " UINT_LEAST8_MAX UINT_MAX UINTMAX_C UINTMAX_MAX UINTPTR_MAX ULLONG_MAX ULONG_MAX unix USHRT_MAX va_arg ",
    " va_copy va_end va_start WCHAR_MAX WCHAR_MIN WEOF WINT_MAX WINT_MIN ",
};

static const char *const library[] = {
    " a64l abort abs accept access acos acosf acosh acoshf acoshl acosl aio_* alarm aligned_alloc alloca ",
    " alphasort arc4random arc4random_buf arc4random_uniform asctime asctime_r asin asinf asinh asinhf asinhl ",
    " asinl at_quick_exit atan atan2 atan2f atan2l atanf atanh atanhf atanhl atanl atexit atof atoi atol atoll ",
    " bcmp bcopy bind bsearch btowc bzero c16rtomb c32rtomb cabs cabsf cabsl cacos cacosf cacosh cacoshf cacoshl ",
    " cacosl call_once calloc carg cargf cargl casin casinf casinh casinhf casinhl casinl catan catanf catanh ",
    " catanhf catanhl catanl catclose catgets catopen cbrt cbrtf cbrtl ccos ccosf ccosh ccoshf ccoshl ccosl ceil ",
    " ceilf ceill cexp cexpf cexpl cfgetispeed cfgetospeed cfsetispeed cfsetospeed chdir chmod chown cimag cimagf ",
    " cimagl clearenv clearerr clock clock_getcpuclockid clock_getres clock_gettime clock_nanosleep clock_settime ",
    " clog clogf clogl close closedir closelog cnd_* confstr conj conjf conjl connect copysign copysignf ",
    " copysignl cos cosf cosh coshf coshl cosl cpow cpowf cpowl cproj cprojf cprojl creal crealf creall creat ",
    " csin csinf csinh csinhf csinhl csinl csqrt csqrtf csqrtl ctan ctanf ctanh ctanhf ctanhl ctanl ctermid ctime ",
    " ctime_r difftime dirfd dirname div dlclose dlerror dlopen dlsym dprintf drand48 drem dremf dreml dup dup2 ",
    " duplocale dysize endgrent endhostent endnetent endprotoent endpwent endservent endutxent erand48 erf erfc ",
    " erfcf erfcl erff erfl execl execle execlp execv execve execvp exit exp exp2 exp2f exp2l expf expl ",
    " explicit_bzero expm1 expm1f expm1l fabs fabsf fabsl faccessat fchdir fchmod fchmodat fchown fchownat fclose ",
    " fcntl fdatasync fdim fdimf fdiml fdopen fdopendir feclearexcept fegetenv fegetexceptflag fegetround ",
    " feholdexcept feof feraiseexcept ferror fesetenv fesetexceptflag fesetround fetestexcept feupdateenv fexecve ",
    " fflush ffs ffsl ffsll fgetc fgetpos fgets fgetwc fgetws fileno finite finitef finitel flockfile floor ",
    " floorf floorl fma fmaf fmal fmax fmaxf fmaxl fmemopen fmin fminf fminl fmod fmodf fmodl fnmatch fopen fork ",
    " fpathconf fprintf fputc fputs fputwc fputws fread free freeaddrinfo freelocale freopen frexp frexpf frexpl ",
    " fscanf fseek fseeko fsetpos fstat fstatat fstatvfs fsync ftell ftello ftok ftruncate ftrylockfile ftw ",
    " funlockfile futimens fwide fwprintf fwrite fwscanf gai_strerror gamma gammaf gammal getaddrinfo getc ",
    " getc_unlocked getchar getchar_unlocked getcwd getdate getdelim getegid getenv geteuid getgid getgrent ",
    " getgrgid getgrgid_r getgrnam getgrnam_r getgroups gethostbyaddr gethostbyname gethostent gethostid ",
    " gethostname getitimer getline getloadavg getlogin getlogin_r getnameinfo getnetbyaddr getnetbyname ",
    " getnetent getopt getpeername getpgid getpgrp getpid getppid getpriority getprotobyname getprotobynumber ",
    " getprotoent getpwent getpwnam getpwnam_r getpwuid getpwuid_r getrlimit getrusage gets getservbyname ",
    " getservbyport getservent getsid getsockname getsockopt getsubopt gettimeofday getuid getutxent getutxid ",
    " getutxline getw getwc getwchar glob globfree gmtime gmtime_r grantpt gsignal hcreate hdestroy hsearch htonl ",
    " htons hypot hypotf hypotl iconv iconv_close iconv_open if_freenameindex if_indextoname if_nameindex ",
    " if_nametoindex ilogb ilogbf ilogbl imaxabs imaxdiv index inet_addr inet_lnaof inet_makeaddr inet_netof ",
    " inet_network inet_ntoa inet_ntop inet_pton initstate insque isalnum isalnum_l isalpha isalpha_l isascii ",
    " isatty isblank isblank_l iscntrl iscntrl_l isdigit isdigit_l isgraph isgraph_l isinf isinff isinfl islower ",
    " islower_l isnan isnanf isnanl isprint isprint_l ispunct ispunct_l isspace isspace_l isupper isupper_l ",
    " iswalnum iswalnum_l iswalpha iswalpha_l iswblank iswblank_l iswcntrl iswcntrl_l iswctype iswctype_l ",
    " iswdigit iswdigit_l iswgraph iswgraph_l iswlower iswlower_l iswprint iswprint_l iswpunct iswpunct_l ",
    " iswspace iswspace_l iswupper iswupper_l iswxdigit iswxdigit_l isxdigit isxdigit_l j0 j0f j0l j1 j1f j1l jn ",
    " jnf jnl jrand48 kill killpg l64a labs lchown lcong48 ldexp ldexpf ldexpl ldiv lfind lgamma lgammaf lgammal ",
    " link linkat lio_listio listen llabs lldiv llrint llrintf llrintl llround llroundf llroundl localeconv ",
    " localtime localtime_r lockf log log10 log10f log10l log1p log1pf log1pl log2 log2f log2l logb logbf logbl ",
    " logf logl longjmp lrand48 lrint lrintf lrintl lround lroundf lroundl lsearch lseek lstat main malloc mblen ",
    " mbrlen mbrtoc16 mbrtoc32 mbrtowc mbsinit mbsnrtowcs mbsrtowcs mbstowcs mbtowc memccpy memchr memcmp memcpy ",
    " memmove memset mkdir mkdirat mkdtemp mkfifo mkfifoat mknod mknodat mkstemp mkstemps mktemp mktime mlock ",
    " mlockall mmap modf modff modfl mprotect mq_* mrand48 msgctl msgget msgrcv msgsnd msync mtx_* munlock ",
    " munlockall munmap nan nanf nanl nanosleep nearbyint nearbyintf nearbyintl newlocale nextafter nextafterf ",
    " nextafterl nexttoward nexttowardf nexttowardl nftw nice nl_langinfo nl_langinfo_l nrand48 ntohl ntohs ",
    " on_exit open open_memstream open_wmemstream openat opendir openlog pathconf pause pclose perror pipe poll ",
    " popen posix_* pow powf powl pread printf pselect psiginfo psignal pthread_* ptsname putc putc_unlocked ",
    " putchar putchar_unlocked putenv puts pututxline putw putwc putwchar pwrite qecvt qfcvt qgcvt qsort ",
    " quick_exit raise rand rand_r random read readdir readdir_r readlink readlinkat readv realloc reallocarray ",
    " realpath recv recvfrom recvmsg regcomp regerror regexec regfree remainder remainderf remainderl remove ",
    " remque remquo remquof remquol rename renameat rewind rewinddir rindex rint rintf rintl rmdir round roundf ",
    " roundl rpmatch scalb scalbf scalbl scalbln scalblnf scalblnl scalbn scalbnf scalbnl scandir scanf sched_* ",
    " seed48 seekdir select sem_* semctl semget semop send sendmsg sendto setbuf setbuffer setegid setenv seteuid ",
    " setgid setgrent sethostent setitimer setjmp setlinebuf setlocale setlogmask setnetent setpgid setpgrp ",
    " setpriority setprotoent setpwent setregid setreuid setrlimit setservent setsid setsockopt setstate setuid ",
    " setutxent setvbuf shm_open shm_unlink shmat shmctl shmdt shmget shutdown sigaction sigaddset sigaltstack ",
    " sigblock sigdelset sigemptyset sigfillset siggetmask sighold sigignore siginterrupt sigismember siglongjmp ",
    " signal significand significandf significandl sigpause sigpending sigprocmask sigqueue sigrelse sigreturn ",
    " sigset sigsetmask sigstack sigsuspend sigtimedwait sigwait sigwaitinfo sin sinf sinh sinhf sinhl sinl sleep ",
    " snprintf sockatmark socket socketpair sprintf sqrt sqrtf sqrtl srand srand48 srandom sscanf ssignal stat ",
    " statvfs stpcpy stpncpy strcasecmp strcasecmp_l strcat strchr strcmp strcoll strcoll_l strcpy strcspn strdup ",
    " strerror strerror_l strerror_r strfmon strfmon_l strftime strftime_l strlen strncasecmp strncasecmp_l ",
    " strncat strncmp strncpy strndup strnlen strpbrk strptime strrchr strsep strsignal strspn strstr strtod ",
    " strtof strtoimax strtok strtok_r strtol strtold strtoll strtoq strtoul strtoull strtoumax strtouq strxfrm ",
    " strxfrm_l swab swprintf swscanf symlink symlinkat sync sysconf syslog system tan tanf tanh tanhf tanhl tanl ",
    " tcdrain tcflow tcflush tcgetattr tcgetpgrp tcgetsid tcsendbreak tcsetattr tcsetpgrp tdelete telldir tempnam ",
    " tfind tgamma tgammaf tgammal thrd_* time timegm timelocal timer_create timer_delete timer_getoverrun ",
    " timer_gettime timer_settime times timespec_get tmpfile tmpnam toascii tolower tolower_l toupper toupper_l ",
    " towctrans towctrans_l towlower towlower_l towupper towupper_l trunc truncate truncf truncl tsearch tss_* ",
    " ttyname ttyname_r twalk tzset ulimit umask uname ungetc ungetwc unlink unlinkat unlockpt unsetenv uselocale ",
    " utime utimensat utimes valloc vdprintf vfprintf vfscanf vfwprintf vfwscanf vprintf vscanf vsnprintf ",
    " vsprintf vsscanf vswprintf vswscanf vwprintf vwscanf wait waitid waitpid wcpcpy wcpncpy wcrtomb wcscasecmp ",
    " wcscasecmp_l wcscat wcschr wcscmp wcscoll wcscoll_l wcscpy wcscspn wcsdup wcsftime wcslen wcsncasecmp ",
    " wcsncasecmp_l wcsncat wcsncmp wcsncpy wcsnlen wcsnrtombs wcspbrk wcsrchr wcsrtombs wcsspn wcsstr wcstod ",
    " wcstof wcstoimax wcstok wcstol wcstold wcstoll wcstombs wcstoul wcstoull wcstoumax wcswcs wcswidth wcsxfrm ",
    " wcsxfrm_l wctob wctomb wctrans wctrans_l wctype wctype_l wcwidth wmemchr wmemcmp wmemcpy wmemmove wmemset ",
    " wordexp wordfree wprintf write writev wscanf y0 y0f y0l y1 y1f y1l yn ynf ynl ",
};

static bool in_rows(const char *const *row, size_t n, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < n; i++)
        for (const char *p = row[i]; (p = strchr(p, ' ')) && p[1]; p++) {
            size_t len = strcspn(p + 1, " *");
            bool all = p[1 + len] == '*';
            if ((all ? size >= len : size == len) && !strncmp(p + 1, name, len)) return true;
        }
    return false;
}

#define IN(rows, name) in_rows(rows, sizeof (rows) / sizeof *(rows), name)

enum cname cname_of(const char *name)
{
    size_t n = strlen(name);
    if (IN(keyword, name)) return CNAME_WORD;
    if (IN(macro, name)) return CNAME_MACRO;
    if (*name == '_' || (n > 2 && !strcmp(name + n - 2, "_t")) || !strncmp(name, "qjrt_", 5)) return CNAME_RESERVED;
    return IN(library, name) ? CNAME_LIBRARY : CNAME_FREE;
}

const char *const cname_what[] = {
    [CNAME_FREE] = "free",
    [CNAME_WORD] = "a word of C or C++",
    [CNAME_MACRO] = "in C's headers, as a macro, a type or an object",
    [CNAME_RESERVED] = "reserved, as what begins with _ or qjrt_ or ends in _t",
    [CNAME_LIBRARY] = "a function of the C library",
};
